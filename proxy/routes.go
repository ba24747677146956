package proxy

import (
	"context"
	"strings"

	"github.com/crmgate/crmgate/proxy/authflow"
)

// handler answers a request with a reply, or with an error for the error table. See responder for the kinds of replies.
type handler func(context.Context, *request) (any, error)

// route is a row of the route table. The last segment of a path may be a parameter: /connect/{platform}.
type route struct {
	method, path string
	run          handler
	form         bool // the body may have maxBody bytes
	quick        bool // reads only the store
}

// routes are the routes by path, in lower case. Upstream matches paths without regard to case.
type routes map[string]methods

// newRoutes returns the route table. Polls end with polling.
func newRoutes(c Config, s *site, polling context.Context) routes {
	public := publicAPI{c.Manifests, c.Settings, c.Flows.Connectors}
	signIn := signInAPI{c.Flows, s.cookies, polling}
	apps, fields, settings := appAPI{c.Orgs}, fieldAPI{c.Orgs}, settingsAPI{c.Settings}
	check := sessionCheck{c.Sessions}
	person := sessionAPI{check, c.Sessions, c.Logger}
	connect, admin := connectPages{s, c.Flows}, adminPages{s, c.Flows, c.Orgs}
	adminApp := adminAppPages{admin}

	noUser := refusals{ghost: errUserNotFound, undecodable: errUserNotFound}

	table := routes{}
	for _, rt := range append(assetRoutes(), []route{
		{method: "GET", path: "/", run: homePage{s, c.Flows, c.HideIndex}.show},
		{method: "GET", path: "/isAlive", run: public.isAlive, quick: true},
		{method: "GET", path: "/openapi.yaml", run: public.openAPI, quick: true},
		{method: "GET", path: "/serverVersionInfo", run: public.serverVersionInfo, quick: true},
		{method: "GET", path: "/releaseNotes", run: public.releaseNotes, quick: true},
		{method: "GET", path: "/crmManifest", run: public.crmManifest, quick: true},
		{method: "GET", path: "/implementedInterfaces", run: public.implementedInterfaces},
		{method: "GET", path: "/userInfoHash", run: public.userInfoHash, quick: true},

		{method: "GET", path: "/authUrl", run: signIn.authURL},
		{method: "GET", path: authflow.LandingPage, run: s.onPage(connect.landing)},
		{method: "POST", path: authflow.LandingPage, run: s.onPage(connect.landed)},
		{method: "GET", path: "/oauth-callback", run: signIn.oauthCallback},
		{method: "POST", path: "/apiKeyLogin", run: signIn.apiKeyLogin, form: true},

		{method: "GET", path: "/apiKeyManagedAuthState", run: fields.state},
		{method: "GET", path: "/admin/managedAuth", run: check.live(fields.list, noUser)},
		{method: "POST", path: "/admin/managedAuth", run: check.live(fields.update, noUser), form: true},
		{method: "POST", path: "/admin/managedAuth/options", run: fields.options, form: true},

		{method: "GET", path: "/connect/{platform}", run: s.onPage(connect.show)},
		{method: "POST", path: "/connect/{platform}", run: s.onPage(connect.submit)},
		{method: "POST", path: "/authSession", run: signIn.openAuthSession},
		{method: "GET", path: "/authSession/{id}", run: signIn.pollAuthSession},

		{method: "GET", path: "/oauthManagedAuthState", run: apps.state},
		{method: "POST", path: "/admin/managedOAuth/cache", run: apps.enter, form: true},
		{method: "DELETE", path: "/admin/managedOAuth/cache", run: apps.dropPending},
		{method: "DELETE", path: "/admin/managedOAuth/account", run: apps.remove},

		{method: "GET", path: "/admin", run: admin.forAdmin(admin.home)},
		{method: "POST", path: "/admin/session", run: admin.signIn},
		{method: "POST", path: "/admin/leave", run: admin.signOut},
		{method: "GET", path: "/admin/audit", run: admin.forAdmin(admin.audit)},
		{method: "GET", path: "/admin/{platform}", run: admin.forAdmin(adminApp.show)},
		{method: "POST", path: "/admin/{platform}", run: admin.forAdmin(adminApp.enter), form: true},
		{method: "POST", path: "/admin/try/{platform}", run: admin.forAdmin(adminApp.try)},
		{method: "POST", path: "/admin/retry/{platform}", run: admin.forAdmin(adminApp.retry)},
		{method: "POST", path: "/admin/drop/{platform}", run: admin.forAdmin(adminApp.drop)},
		{method: "GET", path: "/admin/remove/{platform}", run: admin.forAdmin(adminApp.confirmRemove)},
		{method: "POST", path: "/admin/remove/{platform}", run: admin.forAdmin(adminApp.remove)},
		{method: "GET", path: "/admin/fields/{platform}", run: admin.forAdmin(admin.fields)},
		{method: "POST", path: "/admin/fields/{platform}", run: admin.forAdmin(admin.setFields), form: true},
		{method: "GET", path: "/admin/people/{platform}", run: admin.forAdmin(admin.people)},
		{method: "GET", path: "/admin/end/{platform}", run: admin.forAdmin(admin.confirmEnd)},
		{method: "POST", path: "/admin/end/{platform}", run: admin.forAdmin(admin.end)},

		{method: "GET", path: "/hostname", run: check.quickly(person.hostname, noUser), quick: true},
		{method: "GET", path: "/authValidation", run: check.live(person.authValidation, refusals{ghost: reply(unsuccessful{}), ended: reply(endedOutcome), undecodable: errInvalidToken})},
		{method: "GET", path: "/licenseStatus", run: person.licenseStatus},
		{method: "POST", path: "/unAuthorize", run: check.live(person.unAuthorize, noUser)},
		{method: "POST", path: "/user/refreshInfo", run: person.refreshInfo},

		{method: "GET", path: "/user/preloadSettings", run: settings.preload},
		{method: "GET", path: "/user/settings", run: check.live(settings.get, refusals{ghost: errUserNotFound, undecodable: errNoSession})},
		{method: "POST", path: "/user/settings", run: check.live(settings.change, refusals{ghost: errUserNotFound, undecodable: errUnknownPlatform}), form: true},
		{method: "GET", path: "/admin/settings", run: check.live(settings.ofOrg, noUser)},
		{method: "POST", path: "/admin/settings", run: settings.setOrg, form: true},
	}...) {
		path, _, _ := strings.Cut(strings.ToLower(rt.path), "{")
		table[path] = append(table[path], &rt)
	}
	return table
}

// maxPath is the longest path: the id of an auth session can have about 1,300 characters.
const maxPath = 2048

// splitTarget splits a request target into its path and its query. The path is in lower case, without a slash at its end.
// ok is false for a target in absolute form. A path that is not canonical matches no route.
func splitTarget(target []byte) (path string, query []byte, ok bool) {
	for i, c := range target {
		if c == '?' {
			target, query = target[:i], target[i+1:]
			break
		}
	}
	if len(target) == 0 || target[0] != '/' || len(target) > maxPath {
		return "", nil, false
	}
	path = strings.ToLower(string(target))
	if len(path) > 1 {
		path = strings.TrimSuffix(path, "/")
	}
	return path, query, true
}

// find returns the routes at a path that splitTarget has read; none if there are none. If the last segment is a parameter,
// length is its length. It may have letters, digits, - and _ only, so it has one spelling.
func (r routes) find(path string) (here methods, length int) {
	end := strings.LastIndexByte(path, '/') + 1
	switch last := path[end:]; {
	case path == "/", last != "" && r[path] != nil:
		return r[path], 0
	case last == "", end == 1: // a second slash at the end; no parameter follows the first one
		return nil, 0
	case strings.Trim(last, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return nil, 0
	default:
		return r[path[:end]], len(last)
	}
}

// methods are the routes of one path.
type methods []*route

// of returns the route of a method; nil if there is none. HEAD is answered like GET.
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

// allowed is the Allow header of a path. A path that takes GET takes HEAD (RFC 9110, 9.3.2).
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
