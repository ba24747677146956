package authflow

import "github.com/crmgate/crmgate"

// What ReadCallback makes of a callback, for the table of shapes.
type ReadCallbackResult struct {
	Platform                    crmgate.Platform
	Hostname, State, Code, Bare string
	Agent                       bool
}

func ReadCallback(r CallbackRequest, redirectURI string) (ReadCallbackResult, error) {
	cb, err := readCallback(r, "https://gate.example")
	if err != nil {
		return ReadCallbackResult{}, err
	}
	code, err := cb.code(redirectURI)
	return ReadCallbackResult{cb.platform, cb.hostname, cb.state, code.Reveal(), cb.withoutCode, cb.agent}, err
}

var (
	AuthURL      = authURL
	MergeObjects = mergeObjects
)
