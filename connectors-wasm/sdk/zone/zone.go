// Package zone tells how far a time zone is from UTC, by the name that a CRM has for it. A sandbox has no time zone
// database, so this package brings Go's along: half a megabyte in every connector that imports it, and in none that
// does not.
package zone

import (
	"encoding/json"
	"time"
	_ "time/tzdata"
)

// Offset returns by how many hours a zone is ahead of UTC at a moment, daylight saving time included: -5, 5.5. The name
// is IANA's ("America/New_York"), Rails' ("Eastern Time (US & Canada)") or Windows' ("Eastern Standard Time"). It is nil,
// which leaves a timezoneOffset out, for any other.
func Offset(name string, at time.Time) json.RawMessage {
	for _, names := range []map[string]string{rails, windows} {
		if iana, ok := names[name]; ok {
			name = iana
		}
	}
	if name == "" || name == "Local" { // which mean UTC and the machine's to Go, and nothing to a CRM
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
