package connector

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// Registry finds connectors, which may be replaced while the server runs. Its functions are safe for concurrent use.
type Registry struct {
	// Find returns the connector of a platform: the latest one, or that of the set that Hold has put into the context. Its error
	// is a Refusal for the client. A platform that has only a manifest has a connector too, and all its operations return an error.
	Find func(context.Context, crmgate.Platform) (Connector, error)
	// Platforms returns the platforms that have a connector, of the same set as Find.
	Platforms func(context.Context) []crmgate.Platform
	// Hold returns a context with the set of connectors as it is now. It is nil if the set never changes.
	Hold func(context.Context) context.Context
}

// Held returns a context in which all connectors come from the set as it is now, so that a request does not meet two versions of
// one. A replaced connector still answers.
func (r Registry) Held(ctx context.Context) context.Context {
	if r.Hold == nil {
		return ctx
	}
	return r.Hold(ctx)
}

// Connectable returns the manifest of a platform that people can sign in to. The error is a Refusal if there is no such
// platform, or if it has only a manifest.
func (r Registry) Connectable(ctx context.Context, p crmgate.Platform) (*manifest.Manifest, error) {
	conn, err := r.Find(ctx, p)
	if err == nil {
		_, err = conn.AuthType() // an error if the platform has only a manifest
	}
	if errors.Is(err, crmgate.ErrNotFound) {
		return nil, &crmgate.Refusal{Kind: crmgate.Missing, Message: "This server does not connect to a CRM of that name.", Err: err}
	}
	if err != nil {
		return nil, err
	}
	return conn.Manifest(), nil
}

// AllConnectable returns the manifests of the platforms that people can sign in to, in the order of their titles.
func (r Registry) AllConnectable(ctx context.Context) []*manifest.Manifest {
	var all []*manifest.Manifest
	for _, p := range r.Platforms(ctx) {
		if m, err := r.Connectable(ctx, p); err == nil { // the others have a manifest without a connector
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *manifest.Manifest) int {
		return cmp.Or(strings.Compare(strings.ToLower(a.Title), strings.ToLower(b.Title)), strings.Compare(string(a.Platform), string(b.Platform)))
	})
	return all
}

// Known returns p if there is such a platform, and "" otherwise. Metrics and the audit log use it, because clients can send
// any number of made-up names.
func (r Registry) Known(ctx context.Context, p crmgate.Platform) crmgate.Platform {
	if _, err := r.Find(ctx, p); err != nil {
		return ""
	}
	return p
}

// Manifest returns the manifest of a platform, or an empty one if there is no such platform.
func (r Registry) Manifest(ctx context.Context, p crmgate.Platform) *manifest.Manifest {
	conn, err := r.Find(ctx, p)
	if err != nil {
		return &manifest.Manifest{Platform: p}
	}
	return conn.Manifest()
}

// Interface is an entry of the answer of /implementedInterfaces.
type Interface struct {
	Name        string
	Implemented bool
}

// Interfaces lists which interfaces a platform's connector implements, in the order of App Connect's server. The list
// includes those that crmgate never calls.
func (r Registry) Interfaces(ctx context.Context, p crmgate.Platform) ([]Interface, error) {
	conn, err := r.Find(ctx, p)
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
	return append(list, Interface{"cacheCallNote", false}), nil // a setting of App Connect's server that this server does not have
}
