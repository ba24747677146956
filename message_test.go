package crmgate_test

import (
	"encoding/json"
	"testing"

	"github.com/crmgate/crmgate"
)

// Clients read keys that this server does not know.
func TestReturnMessageKeepsAllKeys(t *testing.T) {
	t.Parallel()
	const given = `{"messageType":"warning","message":"Try again","own":{"b":1,"a":12345678901234567890},"ttl":3000}`
	var m crmgate.ReturnMessage
	if err := json.Unmarshal([]byte(given), &m); err != nil || m.Message != "Try again" || m.MessageType != "warning" || m.TTL != 3000 {
		t.Fatalf("got %+v, %v", m, err)
	}
	for _, v := range []any{m, &m} {
		if got, err := json.Marshal(v); err != nil || string(got) != given {
			t.Errorf("got %s, %v, want %s", got, err, given)
		}
	}
	ours, err := crmgate.ReturnMessage{Message: "Welcome to R&D", MessageType: "success"}.MarshalJSON()
	if want := `{"message":"Welcome to R&D","messageType":"success"}`; err != nil || string(ours) != want {
		t.Errorf("got %s, %v, want %s", ours, err, want)
	}
}

// Some languages write 3000.0.
func TestReturnMessageTTL(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"3000": 3000, "3000.0": 3000, "3e3": 3000, "-1": 0, "1e300": 1 << 31} {
		var m crmgate.ReturnMessage
		if err := json.Unmarshal([]byte(`{"message":"x","ttl":`+text+`}`), &m); err != nil || m.TTL != want || m.Message != "x" {
			t.Errorf("%s: got %+v, %v; want %d", text, m, err, want)
		}
	}
}
