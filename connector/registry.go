package connector

import (
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// Registry finds connectors. Both functions are safe for concurrent use.
type Registry struct {
	// Find returns the connector of a platform; its error is a Refusal fit for the client. A platform that has only a
	// manifest has a connector too, whose operations refuse.
	Find func(crmgate.Platform) (Connector, error)
	// Platforms lists the platforms that Find knows.
	Platforms func() []crmgate.Platform
}

// Connectable returns the manifest of a platform that people can sign in to. A platform that is unknown, or that has only
// a manifest, is a Refusal.
func (r Registry) Connectable(p crmgate.Platform) (*manifest.Manifest, error) {
	conn, err := r.Find(p)
	if err == nil {
		_, err = conn.AuthType() // a platform that has only a manifest refuses
	}
	if errors.Is(err, crmgate.ErrNotFound) {
		return nil, &crmgate.Refusal{Kind: crmgate.Missing, Message: "This server connects to no CRM of that name.", Err: err}
	}
	if err != nil {
		return nil, err
	}
	return conn.Manifest(), nil
}

// Known returns p if there is such a platform, and "" otherwise. Metrics and the audit log take names from it, because
// strangers could make up any number of others.
func (r Registry) Known(p crmgate.Platform) crmgate.Platform {
	if _, err := r.Find(p); err != nil {
		return ""
	}
	return p
}

// Fields returns the fields of a platform's API-key form; nil if there is no such platform.
func (r Registry) Fields(p crmgate.Platform) []manifest.FormField {
	conn, err := r.Find(p)
	if err != nil {
		return nil
	}
	return conn.Manifest().Fields
}

// Interface is one line of what /implementedInterfaces answers.
type Interface struct {
	Name        string
	Implemented bool
}

// Interfaces lists what a platform's connector implements, in upstream's order. The list includes the interfaces that
// crmgate never calls.
func (r Registry) Interfaces(p crmgate.Platform) ([]Interface, error) {
	conn, err := r.Find(p)
	if err != nil {
		return nil, err
	}
	kind, err := conn.AuthType()
	if err != nil {
		return nil, err
	}
	byType := map[manifest.AuthType]string{manifest.OAuth: "getOauthInfo", manifest.APIKey: "getBasicAuth"}
	list := []Interface{{"getAuthType", true}, {byType[kind], conn.Implements(byType[kind])}}
	for _, name := range []string{
		"getUserInfo", "createCallLog", "updateCallLog", "getCallLog", "createMessageLog", "updateMessageLog", "createContact",
		"findContact", "listAppointments", "createAppointment", "updateAppointment", "refreshAppointment", "confirmAppointment",
		"cancelAppointment", "unAuthorize", "upsertCallDisposition", "findContactWithName", "getUserList", "getManagedAuthOptions",
		"getLicenseStatus", "getLogFormatType", "refreshUserInfo",
	} {
		list = append(list, Interface{name, conn.Implements(name)})
	}
	return append(list, Interface{"cacheCallNote", false}), nil // a setting of upstream's server, which this one does not have
}
