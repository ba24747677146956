package settings

import (
	"encoding/json"

	"github.com/crmgate/crmgate"
)

// Layer lays an organisation's settings over a person's, as they are read from bodies.
func Layer(org, own string) (string, error) {
	theirs, err := readObject("org", json.RawMessage(org), maxOrgSettings)
	if err != nil {
		return "", err
	}
	mine, err := readObject("own", json.RawMessage(own), maxUserSettings)
	if err != nil {
		return "", err
	}
	all, err := layer(theirs, mine)
	if err != nil {
		return "", err
	}
	b, err := crmgate.EncodeJSON(all)
	return string(b), err
}

// Truthy is what JavaScript takes JSON for in a condition.
func Truthy(b string) bool { return truthy(json.RawMessage(b)) }
