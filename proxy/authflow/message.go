package authflow

import (
	"bytes"
	"encoding/json"

	"github.com/crmgate/crmgate"
)

// message is a message that has other members than most, or has them in another order.
func message(v any) *crmgate.ReturnMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	var m crmgate.ReturnMessage
	_ = e.Encode(v) // texts and numbers: never fails
	_ = json.Unmarshal(b.Bytes(), &m)
	return &m
}
