package crmgate

import "encoding/json"

// ReturnMessage is a message that clients show for a while. One that came from a connector is written again as it was read,
// with all its keys.
type ReturnMessage struct {
	Message     string          `json:"message,omitempty"`
	MessageType string          `json:"messageType,omitempty"`
	TTL         int             `json:"ttl,omitempty"` // milliseconds
	Details     json.RawMessage `json:"details,omitempty"`
	raw         json.RawMessage
}

type plainMessage ReturnMessage

// UnmarshalJSON keeps the whole object, because clients read keys of some connectors and routes.
func (m *ReturnMessage) UnmarshalJSON(b []byte) error {
	var p struct {
		plainMessage
		TTL float64 `json:"ttl"` // some languages write 3000.0
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*m = ReturnMessage(p.plainMessage)
	m.TTL = int(min(max(p.TTL, 0), 1<<31))
	m.raw = append(json.RawMessage(nil), b...)
	return nil
}

// MarshalJSON writes the object that UnmarshalJSON read, or the fields if there was none.
func (m ReturnMessage) MarshalJSON() ([]byte, error) {
	if m.raw != nil {
		return m.raw, nil
	}
	return EncodeJSON(plainMessage(m))
}
