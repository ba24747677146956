// Package zone finds the offset of a time zone by the name that a CRM gives it. The sandbox has no time zone database, so this
// package contains Go's. It adds half a megabyte to each connector that imports it.
package zone

import (
	"encoding/json"
	"time"
	_ "time/tzdata"
)

// Offset returns a zone's offset from UTC in hours at a given time, daylight saving time included: -5, 5.5. The name is
// IANA's ("America/New_York"), Rails' ("Eastern Time (US & Canada)") or Windows' ("Eastern Standard Time"). For an unknown
// name it returns nil, which leaves timezoneOffset out.
func Offset(name string, at time.Time) json.RawMessage {
	for _, names := range []map[string]string{rails, windows} {
		if iana, ok := names[name]; ok {
			name = iana
		}
	}
	if name == "" || name == "Local" { // Go takes these for UTC and the machine's zone
		return nil
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil
	}
	_, seconds := at.In(l).Zone()
	b, _ := json.Marshal(float64(seconds) / 3600) // a finite number always encodes
	return b
}
