// Package zone finds the offset of a time zone by the name that a CRM gives it. The sandbox has no time zone database, so this
// package contains Go's. It adds half a megabyte to each connector that imports it.
package zone

import (
	"strconv"
	"time"
	_ "time/tzdata"

	"github.com/crmgate/crmgate/connectors-wasm/sdk/json"
)

// Offset returns a zone's offset from UTC in hours at a time in Unix milliseconds, daylight saving time included: -5, 5.5. The name is
// IANA's ("America/New_York"), Rails' ("Eastern Time (US & Canada)") or Windows' ("Eastern Standard Time"). For an unknown
// name the value is missing, which leaves timezoneOffset out.
func Offset(name string, at int64) json.Value {
	for _, names := range []map[string]string{rails, windows} {
		if iana, ok := names[name]; ok {
			name = iana
		}
	}
	if name == "" || name == "Local" { // Go takes these for UTC and the machine's zone
		return json.Value{}
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return json.Value{}
	}
	_, seconds := time.UnixMilli(at).In(l).Zone()
	return json.Parse(strconv.FormatFloat(float64(seconds)/3600, 'f', -1, 64))
}
