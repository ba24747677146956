package crmgate

import (
	"bytes"
	"encoding/json"
)

// ReturnMessage is the toast that clients show. What UnmarshalJSON read is written again as it was, keys of the connector's own included.
type ReturnMessage struct {
	Message     string          `json:"message,omitempty"`
	MessageType string          `json:"messageType,omitempty"`
	TTL         int             `json:"ttl,omitempty"` // milliseconds
	Details     json.RawMessage `json:"details,omitempty"`
	raw         json.RawMessage
}

type plainMessage ReturnMessage

// UnmarshalJSON keeps the object whole, so that route-specific keys reach the client.
func (m *ReturnMessage) UnmarshalJSON(b []byte) error {
	var p struct {
		plainMessage
		TTL float64 `json:"ttl"` // 3000.0 is a number too
	}
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	*m = ReturnMessage(p.plainMessage)
	m.TTL = int(min(max(p.TTL, 0), 1<<31))
	m.raw = append(json.RawMessage(nil), b...)
	return nil
}

// MarshalJSON writes what UnmarshalJSON read, or the fields of a message made here.
func (m ReturnMessage) MarshalJSON() ([]byte, error) {
	if m.raw != nil {
		return m.raw, nil
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // people read it, in no page of ours
	err := e.Encode(plainMessage(m))
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}
