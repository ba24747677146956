package proxy

import (
	"context"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/authflow"
	"github.com/crmgate/crmgate/proxy/session"
)

// route is a row of the route table. A path may end in a segment that differs: /connect/{platform}.
type route struct {
	method, path string
	run          func(context.Context, *request) (any, error)
	form         bool // takes a body of up to maxBody
	quick        bool // touches nothing but the store
}

// table is the route table, by path in lower case. Upstream matches paths without regard to case.
func (s *Server) table() map[string]methods {
	routes := map[string]methods{}
	for _, rt := range append(s.assets(), []route{
		{method: "GET", path: "/isAlive", run: s.isAlive, quick: true},
		{method: "GET", path: "/openapi.yaml", run: s.openAPI, quick: true},
		{method: "GET", path: "/serverVersionInfo", run: s.serverVersionInfo, quick: true},
		{method: "GET", path: "/releaseNotes", run: s.releaseNotes, quick: true},
		{method: "GET", path: "/crmManifest", run: s.crmManifest, quick: true},
		{method: "GET", path: "/implementedInterfaces", run: s.implementedInterfaces},
		{method: "GET", path: "/userInfoHash", run: s.userInfoHash, quick: true},

		{method: "GET", path: "/authUrl", run: s.authURL},
		{method: "GET", path: authflow.LandingPage, run: s.onPage(s.landing)},
		{method: "GET", path: "/oauth-callback", run: s.oauthCallback},
		{method: "POST", path: "/apiKeyLogin", run: s.apiKeyLogin, form: true},

		{method: "GET", path: "/apiKeyManagedAuthState", run: s.apiKeyManagedAuthState},
		{method: "GET", path: "/admin/managedAuth", run: s.session(s.managedAuth, refusals{ghost: errUserNotFound, undecodable: errUserNotFound})},
		{method: "POST", path: "/admin/managedAuth", run: s.session(s.updateManagedAuth, refusals{ghost: errUserNotFound, undecodable: errUserNotFound}), form: true},
		{method: "POST", path: "/admin/managedAuth/options", run: s.managedAuthOptions, form: true},

		{method: "GET", path: "/connect/{platform}", run: s.onPage(s.connectPage)},
		{method: "POST", path: "/connect/{platform}", run: s.onPage(s.connect)},
		{method: "POST", path: "/authSession", run: s.openAuthSession},
		{method: "GET", path: "/authSession/{id}", run: s.pollAuthSession},

		{method: "GET", path: "/oauthManagedAuthState", run: s.managedState},
		{method: "POST", path: "/admin/managedOAuth/cache", run: s.enterApp, form: true},
		{method: "DELETE", path: "/admin/managedOAuth/cache", run: s.dropPendingApp},
		{method: "DELETE", path: "/admin/managedOAuth/account", run: s.removeApp},

		{method: "GET", path: "/admin", run: s.forAdmin(s.adminHome)},
		{method: "POST", path: "/admin/session", run: s.openAdmin},
		{method: "POST", path: "/admin/leave", run: s.leaveAdmin},
		{method: "GET", path: "/admin/audit", run: s.forAdmin(s.adminAudit)},
		{method: "GET", path: "/admin/{platform}", run: s.forAdmin(s.adminPlatform)},
		{method: "POST", path: "/admin/{platform}", run: s.forAdmin(s.adminEnter), form: true},
		{method: "POST", path: "/admin/try/{platform}", run: s.forAdmin(s.adminTry)},
		{method: "POST", path: "/admin/drop/{platform}", run: s.forAdmin(s.adminDrop)},
		{method: "GET", path: "/admin/remove/{platform}", run: s.forAdmin(s.adminAskRemove)},
		{method: "POST", path: "/admin/remove/{platform}", run: s.forAdmin(s.adminRemove)},
		{method: "GET", path: "/admin/fields/{platform}", run: s.forAdmin(s.adminFields)},
		{method: "POST", path: "/admin/fields/{platform}", run: s.forAdmin(s.adminSetFields), form: true},
		{method: "GET", path: "/admin/people/{platform}", run: s.forAdmin(s.adminPeople)},
		{method: "GET", path: "/admin/end/{platform}", run: s.forAdmin(s.adminAskEnd)},
		{method: "POST", path: "/admin/end/{platform}", run: s.forAdmin(s.adminEnd)},

		{method: "GET", path: "/hostname", run: s.session(s.hostname, refusals{ghost: errUserNotFound, undecodable: errUserNotFound}), quick: true},
		{method: "GET", path: "/authValidation", run: s.session(s.authValidation, refusals{ghost: reply(unsuccessful{}), undecodable: errInvalidToken})},
		{method: "GET", path: "/licenseStatus", run: s.licenseStatus},
		{method: "POST", path: "/unAuthorize", run: s.session(s.unAuthorize, refusals{ghost: errUserNotFound, undecodable: errUserNotFound})},
		{method: "POST", path: "/user/refreshInfo", run: s.refreshInfo},

		{method: "GET", path: "/user/preloadSettings", run: s.preloadSettings},
		{method: "GET", path: "/user/settings", run: s.session(s.settings, refusals{ghost: errUserNotFound, undecodable: errNoSession})},
		{method: "POST", path: "/user/settings", run: s.session(s.changeSettings, refusals{ghost: errUserNotFound, undecodable: errUnknownPlatform}), form: true},
		{method: "GET", path: "/admin/settings", run: s.session(s.adminSettings, refusals{ghost: errUserNotFound, undecodable: errUserNotFound})},
		{method: "POST", path: "/admin/settings", run: s.setAdminSettings, form: true},
	}...) {
		path, _, _ := strings.Cut(strings.ToLower(rt.path), "{")
		routes[path] = append(routes[path], &rt)
	}
	return routes
}

// find returns the routes at a path as splitTarget reads it, none if nothing is there. Of a path whose last segment differs,
// that is of letters, digits, - and _, so that it has one spelling; and length is how long it is.
func (s *Server) find(path string) (here methods, length int) {
	end := strings.LastIndexByte(path, '/') + 1
	switch last := path[end:]; {
	case last == "": // another slash at the end than the one that is ignored
		return nil, 0
	case s.routes[path] != nil:
		return s.routes[path], 0
	case strings.Trim(last, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return nil, 0
	default:
		return s.routes[path[:end]], len(last)
	}
}

// methods are the routes of one path.
type methods []*route

// of returns the route of a method, nil if there is none. HEAD is answered like GET.
func (m methods) of(method string) *route {
	if method == "HEAD" {
		method = "GET"
	}
	for _, rt := range m {
		if rt.method == method {
			return rt
		}
	}
	return nil
}

// allowed is the Allow header of a path: whatever takes GET takes HEAD (RFC 9110, 9.3.2).
func (m methods) allowed() string {
	return strings.Replace(m.join(", "), "GET", "GET, HEAD", 1)
}

// join lists the methods.
func (m methods) join(separator string) string {
	names := make([]string, len(m))
	for i, rt := range m {
		names[i] = rt.method
	}
	return strings.Join(names, separator)
}

// Upstream's refusals of session routes.
const pleaseAuthorize = "Please go to Settings and authorize CRM platform"

var (
	errNoSession       = crmgate.RefusePlain(pleaseAuthorize)
	errInvalidToken    = crmgate.RefusePlain("Invalid JWT token")
	errUserNotFound    = crmgate.RefusePlain("User not found")
	errUnknownPlatform = crmgate.RefusePlain("Unknown platform")
)

// refusals is what a session route answers when there is no live session; that there is none at all is the same everywhere.
type refusals struct {
	ghost, undecodable error
	ghostOf            func(crmgate.Platform) any // where the answer to a ghost depends on its platform
}

// earlyReply is an answer in the place of an error: some routes tell of a bad session with status 200.
type earlyReply struct{ body any }

func (earlyReply) Error() string { return "answered without a session" }

func reply(body any) error { return earlyReply{body} }

// session runs a handler for a live session and hands out a renewed token where one is due.
func (s *Server) session(run func(context.Context, *request, session.Session) (any, error), no refusals) func(context.Context, *request) (any, error) {
	return func(ctx context.Context, r *request) (any, error) {
		ses, err := s.Sessions.Check(ctx, r.header("Authorization"), r.joined("jwtToken"))
		if err != nil {
			return nil, err
		}
		switch ses.State {
		case session.NoSession:
			return nil, errNoSession
		case session.Undecodable:
			return nil, no.undecodable
		case session.Ghost:
			if no.ghostOf != nil {
				return no.ghostOf(ses.Key.Platform), nil
			}
			return nil, no.ghost
		}
		if !ses.Renewed.IsZero() {
			r.fc.Response.Header.Set("X-Refreshed-Jwt-Token", ses.Renewed.Reveal())
		}
		return run(ctx, r, ses)
	}
}
