package authflow

import (
	"encoding/json"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
)

// message makes a ReturnMessage from v, whose members may differ from the usual ones in name and in order.
func message(v any) *crmgate.ReturnMessage {
	var m crmgate.ReturnMessage
	b, _ := crmgate.EncodeJSON(v) // strings and numbers always encode
	_ = json.Unmarshal(b, &m)
	return &m
}

// refusedByConnector is the result when the connector names no application but a reason (failMessage).
func refusedByConnector(reason string) SignedIn {
	return SignedIn{Message: message(struct {
		MessageType string `json:"messageType"`
		Message     string `json:"message"`
	}{"danger", reason})}
}

// notAccepted is the result when the CRM or the connector does not accept the person.
func notAccepted(info connector.UserInfo) SignedIn {
	m := info.Message
	if m == nil {
		m = &crmgate.ReturnMessage{MessageType: "warning", Message: "The CRM did not accept this sign-in.", TTL: 3000}
	}
	return SignedIn{Message: m}
}

// fieldsMissing is the result when an API-key form lacks required fields. Upstream sends the same, extra member included.
func fieldsMissing(consts []string) SignedIn {
	return SignedIn{Missing: consts, Message: message(struct {
		MessageType string   `json:"messageType"`
		Message     string   `json:"message"`
		TTL         int      `json:"ttl"`
		Consts      []string `json:"missingRequiredFieldConsts"`
	}{"warning", "Missing required authentication fields.", 3000, consts})}
}
