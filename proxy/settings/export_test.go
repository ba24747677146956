package settings

import (
	"encoding/json"

	"github.com/crmgate/crmgate"
)

// Layer merges an organisation's settings with a person's, both as bodies have them.
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

// Truthy reports whether JavaScript treats a value as true.
func Truthy(b string) bool { return truthy(json.RawMessage(b)) }
