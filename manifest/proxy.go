package manifest

import (
	"cmp"
	"net/url"
	"regexp"
	"strings"
)

// A proxy connector of App Connect is JSON too: "auth", "requestDefaults" and "operations". Here are the operations that say who a person
// is, getUserInfo and unAuthorize. The others are for App Connect's server. The format is described in docs/developers/proxy-connector.md
// of ringcentral/rc-unified-crm-extension.

var proxyValue = regexp.MustCompile(`\{\{\s*([\w.]+)\s*\}\}`)

// fromProxy returns a proxy connector in the form of the crmgate object.
func (m *Manifest) fromProxy(r *reader, n node) node {
	r.object(n)
	p := proxy{reader: r, prefix: m.newData().Prefix, defaults: n.at("requestDefaults"), auth: n.at("auth")}
	info, logout := n.at("operations").at("getUserInfo"), n.at("operations").at("unAuthorize")
	r.check(info, info.present(), "the operation getUserInfo, which says who the person is")
	mapping := info.at("responseMapping")
	user := map[string]any{"request": p.request(info), "additionalInfo": map[string]any{}}
	for _, name := range personMembers {
		if path := r.text(mapping.at(name + "Path")); path != "" {
			user[name] = "{" + path + "}"
		}
	}
	r.check(mapping.at("idPath"), user["id"] != nil, `the path of the person's id in the answer, such as "body.id"`)
	if id, ok := user["id"].(string); ok {
		user["id"] = id + "-" + string(m.Platform)
	}
	for name, path := range r.texts(mapping.at("platformAdditionalInfoPaths")) {
		user["additionalInfo"].(map[string]any)[name] = "{" + path + "}"
	}
	all := map[string]any{"userInfo": user}
	if logout.present() {
		all["revoke"] = map[string]any{"request": p.request(logout)}
	}
	if m.AuthType == APIKey {
		name, credential := p.credential()
		all[name] = credential
	}
	return node{file: n.file, path: n.path, value: all}
}

// proxy converts the parts of a proxy connector.
type proxy struct {
	*reader
	prefix         string
	auth, defaults node
}

// credential returns the template of what an API key is sent as, and the member of the crmgate object that it is for.
func (p proxy) credential() (member, template string) {
	scheme := p.text(p.auth.at("scheme"))
	template = p.renamed(cmp.Or(p.text(p.auth.at("credentialTemplate")), "{{apiKey}}")).(string)
	if encode := p.auth.at("encode"); encode.present() && p.oneOf(encode, "base64", "none") == "none" {
		return "authHeader", strings.TrimSpace(scheme + " " + template)
	}
	p.check(p.auth.at("scheme"), scheme == "" || strings.EqualFold(scheme, "Basic"), `"Basic", or "encode": "none" beside another scheme`)
	return "basicAuth", template
}

// request returns the request of an operation.
func (p proxy) request(n node) map[string]any {
	p.object(n)
	p.check(n.at("auth"), !n.at("auth").present(), "no auth of its own: crmgate sends the same credential with each request of a person")
	address := p.text(n.at("url"))
	if !strings.HasPrefix(address, "http://") && !strings.HasPrefix(address, "https://") {
		address = strings.TrimSuffix(p.text(p.defaults.at("baseUrl")), "/") + "/" + strings.TrimPrefix(address, "/")
	}
	separator := "?"
	for name, v := range n.at("query").members() {
		address += separator + url.QueryEscape(name) + "=" + p.text(v)
		separator = "&"
	}
	headers := map[string]any{cmp.Or(p.text(p.auth.at("headerName")), "Authorization"): "{authHeader}"}
	for _, from := range []node{p.defaults.at("defaultHeaders"), n.at("headers")} {
		for name, text := range p.texts(from) {
			headers[name] = text
		}
	}
	all := map[string]any{"url": address, "headers": headers, "method": strings.ToUpper(cmp.Or(p.text(n.at("method")), "GET"))}
	if body, _ := n.at("body").value.(map[string]any); len(body) > 0 {
		all["body"] = body
	}
	return p.renamed(all).(map[string]any)
}

// path returns what a path is called here.
func (p proxy) path(theirs string) string {
	if theirs == "secretKey" {
		return "config." + p.prefix + "SECRET_KEY"
	}
	ours, ofUser := strings.CutPrefix(theirs, "user.")
	if rest, ok := strings.CutPrefix(ours, "platformAdditionalInfo"); ok && ofUser {
		return "additionalInfo" + rest
	}
	return ours
}

// renamed returns a value with the paths in its texts as they are called here.
func (p proxy) renamed(v any) any {
	switch v := v.(type) {
	case string:
		return proxyValue.ReplaceAllStringFunc(v, func(value string) string {
			return "{" + p.path(proxyValue.FindStringSubmatch(value)[1]) + "}"
		})
	case map[string]any:
		all := map[string]any{}
		for name, member := range v {
			all[name] = p.renamed(member)
		}
		return all
	case []any:
		all := make([]any, len(v))
		for i, item := range v {
			all[i] = p.renamed(item)
		}
		return all
	}
	return v
}
