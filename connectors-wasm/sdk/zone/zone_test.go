package zone_test

import (
	"testing"
	"time"

	"github.com/crmgate/crmgate/connectors-wasm/sdk/zone"
)

func TestOffset(t *testing.T) {
	t.Parallel()
	winter, summer := time.Date(2026, 1, 15, 12, 0, 0, 0, time.UTC), time.Date(2026, 7, 15, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, zone     string
		winter, summer string
	}{
		{"IANA's name", "America/New_York", "-5", "-4"},
		{"a name that IANA has kept from old times", "US/Pacific", "-8", "-7"},
		{"Rails' name", "Eastern Time (US & Canada)", "-5", "-4"},
		{"Rails' name of a city", "Tokyo", "9", "9"},
		{"Windows' name", "W. Europe Standard Time", "1", "2"},
		{"Windows' name, without daylight saving time", "US Mountain Standard Time", "-7", "-7"},
		{"the southern summer", "Sydney", "11", "10"},
		{"half an hour", "Asia/Kolkata", "5.5", "5.5"},
		{"three quarters", "Nepal Standard Time", "5.75", "5.75"},
		{"UTC", "UTC", "0", "0"},
		{"no name", "", "", ""},
		{"the machine's own", "Local", "", ""},
		{"an unknown name", "Middle Earth Standard Time", "", ""},
		{"a path", "../../etc/passwd", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if w, s := zone.Offset(c.zone, winter.UnixMilli()).Raw(), zone.Offset(c.zone, summer.UnixMilli()).Raw(); w != c.winter || s != c.summer {
				t.Errorf("got %q and %q, want %q and %q", w, s, c.winter, c.summer)
			}
		})
	}
}

func TestNamesStandForZones(t *testing.T) {
	t.Parallel()
	for _, names := range zone.Names {
		for name, iana := range names {
			if _, err := time.LoadLocation(iana); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
}
