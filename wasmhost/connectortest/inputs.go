package connectortest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
	"github.com/crmgate/crmgate/wasmhost"
)

// inputs returns inputs that succeed, by operation. They come from the connector's vectors, with credentials of the check, or
// from a sign-in at the practice CRM. An operation without such an input is only called while the CRM misbehaves.
func (k *check) inputs(ctx context.Context) map[string]doc {
	inputs := map[string]doc{}
	for _, v := range k.own {
		for _, c := range v.Cases {
			if c.succeeds() {
				k.crm.record(c.Fetches)
			}
			if c.succeeds() && inputs[v.Operation] == nil {
				inputs[v.Operation] = k.maskCredentials(ctx, c.Input)
				k.maskConfiguration(c.Config)
			}
		}
	}
	if usesPracticeCRM(k.manifest) {
		k.practiceInputs(ctx, inputs)
	}
	inputs["getAuthType"] = doc{}
	if inputs["getBasicAuth"] == nil {
		inputs["getBasicAuth"] = doc{"apiKey": k.canary("the API key")}
	}
	if inputs["getOauthInfo"] == nil && k.call(ctx, "getOauthInfo", doc{}, "").succeeded() { // some need a hostname
		inputs["getOauthInfo"] = doc{}
	}
	return inputs
}

// canary returns a new credential that the scanner looks for.
func (k *check) canary(name string) string {
	value := "check-" + rand.Text()
	k.scanner.addSecret(name, value)
	return value
}

// maskCredentials replaces the recorded credentials in an input by new ones.
func (k *check) maskCredentials(ctx context.Context, input []byte) doc {
	d := parseDoc(input)
	mask := func(name, old string) {
		if old != "" {
			ours := k.mask(name, old)
			d = doc(mapTexts(map[string]any(d), func(s string) string { return replaceWhole(s, old, ours) }).(map[string]any))
		}
	}
	scheme, credential, _ := strings.Cut(d.text("authHeader"), " ")
	key := d.text("apiKey")
	if key == "" {
		key = d.object("additionalInfo").text("apiKey")
	}
	mask("the API key", key)
	for name, v := range d.object("additionalInfo") { // any string of a form may be a credential, but addresses must stay
		if s, ok := v.(string); ok && s != key && len(s) >= 8 && !strings.ContainsAny(s, "./") {
			mask("the form's "+name, s)
		}
	}
	mask("the code", d.text("code"))
	mask("the refresh token", d.text("refreshToken"))
	mask("the client secret", d.object("oauthInfo").text("clientSecret"))
	if scheme == "Bearer" {
		mask("the access token", credential)
	}
	if scheme != "Bearer" && d["authHeader"] != nil && k.manifest.AuthType == manifest.APIKey {
		d["authHeader"] = k.keyHeader(ctx, d, key, d.text("authHeader"))
	}
	return d
}

// maskConfiguration makes the CRM treat the check's configuration as a recorded one. Where a connector has handles, those are recorded.
func (k *check) maskConfiguration(recorded map[string]string) {
	for name, value := range recorded {
		if _, handle := k.manifest.Sends[name]; handle {
			value = "{{secret:" + name + ":" + wasmhost.VectorNonce + "}}"
		}
		if ours, ok := k.scanner.setting(name); ok {
			k.crm.mapCredential(ours.Reveal(), value)
		}
	}
}

// mask returns a new credential that the CRM treats as a recorded one. A JWT keeps its claims, which the connector may read, and gets
// another signature.
func (k *check) mask(name, recorded string) string {
	ours := k.canary(name)
	if i := strings.LastIndex(recorded, "."); strings.Count(recorded, ".") == 2 {
		ours = recorded[:i+1] + ours
	}
	k.crm.mapCredential(ours, recorded)
	return ours
}

// replaceWhole replaces a credential by another if it is a whole value, or all that follows the scheme of a header. A short
// one, such as a recorded "s", also occurs within other values, which must stay.
func replaceWhole(s, old, ours string) string {
	if s == old {
		return ours
	}
	for _, scheme := range []string{"Bearer ", "Basic "} {
		if s == scheme+old {
			return scheme + ours
		}
	}
	return s
}

// mapTexts returns a copy of a document with change applied to each text.
func mapTexts(v any, change func(string) string) any {
	switch v := v.(type) {
	case string:
		return change(v)
	case map[string]any:
		m := map[string]any{}
		for name, member := range v {
			m[name] = mapTexts(member, change)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, element := range v {
			l[i] = mapTexts(element, change)
		}
		return l
	}
	return v
}

// keyHeader returns the header for an API key, by calling getBasicAuth. If the input has no key, it makes one up.
func (k *check) keyHeader(ctx context.Context, d doc, recorded, header string) string {
	_, credential, _ := strings.Cut(header, " ")
	key := d.text("apiKey")
	if key == "" || recorded == "" {
		decoded, _ := base64.StdEncoding.DecodeString(credential)
		recorded, _, _ = strings.Cut(string(decoded), ":")
		key = k.mask("the API key", recorded)
	}
	made := k.headerFor(ctx, key)
	_, ours, _ := strings.Cut(made, " ")
	k.scanner.addSecret("the API key", ours)
	k.crm.mapCredential(ours, credential)
	return made
}

// headerFor returns the Authorization header that the connector makes of an API key.
func (k *check) headerFor(ctx context.Context, key string) string {
	a := k.call(ctx, "getBasicAuth", doc{"apiKey": key}, "")
	d := parseDoc(a.Output)
	header := d.text("header")
	if header == "" {
		header = "Basic " + d.text("basic")
	}
	return a.Credential(header)
}

// goldenInput returns the first input in the ABI's vectors, with credentials of the check.
func (k *check) goldenInput(operation string) doc {
	for _, c := range casesOf(k.golden, operation) {
		return k.withOwnCredentials(k.onDeclaredHosts(parseDoc(c.Input), ""))
	}
	return doc{}
}

// goldenHost matches a host of the ABI's vectors, with the scheme if it is in a URL.
var goldenHost = regexp.MustCompile(`(https://)?\b(?:[a-z]+\.)?crm\.example\b`)

// onDeclaredHosts replaces the hosts in a golden input by hosts that the manifest declares: the connector may go where its
// input says. hostname is the person's host in a recorded input, or "".
func (k *check) onDeclaredHosts(d doc, hostname string) doc {
	if hostname == "" {
		hostname = k.personHost()
	}
	base := k.declaredURL(hostname)
	if base == "" {
		return d // it may reach no host
	}
	return doc(mapTexts(map[string]any(d), func(s string) string {
		return goldenHost.ReplaceAllStringFunc(s, func(host string) string {
			if strings.HasPrefix(host, "https://") {
				return base
			}
			return hostname
		})
	}).(map[string]any))
}

// personHost returns a host that a person may have.
func (k *check) personHost() string {
	for _, p := range slices.Concat(k.manifest.Environment, k.manifest.Hosts) {
		host, err := k.manifest.CheckHostname(strings.Replace(p.String(), "*", "eu", 1))
		if err == nil && host != "" {
			return host
		}
	}
	return ""
}

// declaredURL returns the scheme and host of a URL that the connector may request for a person with this host, or "".
func (k *check) declaredURL(hostname string) string {
	for _, p := range k.manifest.Hosts {
		host := manifest.HostnameURL(strings.Replace(p.String(), "*", "eu", 1), hostname)
		if k.manifest.Hosts.AllowURL("https://"+host, hostname) == nil { // the fake CRM answers under either scheme
			return "https://" + host
		}
	}
	return ""
}

// withOwnCredentials adapts a golden input to this platform, with credentials that the scanner looks for.
func (k *check) withOwnCredentials(d doc) doc {
	if d["platform"] != nil {
		d["platform"] = k.name
	}
	if u := d.object("user"); u != nil {
		u["platform"] = k.name
	}
	for member, name := range map[string]string{"refreshToken": "the refresh token", "code": "the code", "apiKey": "the API key"} {
		if d[member] != nil {
			d[member] = k.canary(name)
		}
	}
	if o := d.object("oauthInfo"); o != nil && o["clientSecret"] != nil {
		o["clientSecret"] = k.canary("the client secret")
	}
	scheme, _, _ := strings.Cut(d.text("authHeader"), " ")
	switch {
	case scheme == "":
	case k.manifest.AuthType == manifest.APIKey:
		d["authHeader"] = "Basic " + base64.StdEncoding.EncodeToString([]byte(k.canary("the API key")+":"))
	default:
		d["authHeader"] = "Bearer " + k.canary("the access token")
	}
	return d
}

// practiceInputs adds inputs from a sign-in at the practice CRM.
func (k *check) practiceInputs(ctx context.Context, inputs map[string]doc) {
	in := doc{"hostname": "", "platform": k.name}
	if k.manifest.AuthType == manifest.APIKey {
		k.scanner.addSecret("the API key", practicecrm.APIKey)
		inputs["getBasicAuth"] = doc{"apiKey": practicecrm.APIKey}
		in["authHeader"] = k.headerFor(ctx, practicecrm.APIKey)
		in["apiKey"], in["additionalInfo"] = practicecrm.APIKey, doc{"apiKey": practicecrm.APIKey}
	} else {
		access, err := k.practiceToken(ctx, "ada")
		if err != nil {
			k.add("practice CRM", Failed, err.Error(), "")
			return
		}
		k.scanner.addSecret("the access token", access)
		in["authHeader"], in["data"] = "Bearer "+access, doc{"token_type": "Bearer"}
	}
	inputs["getUserInfo"] = in
	// Operations for a user get the user who signed in.
	who := parseDoc(k.call(ctx, "getUserInfo", in, "").Output).object("platformUserInfo")
	person := doc{"authHeader": in["authHeader"], "user": doc{
		"id": who["id"], "platform": k.name, "hostname": "", "rcAccountId": "1", "tokenExpiry": "2030-01-01T00:00:00Z", "platformAdditionalInfo": who["platformAdditionalInfo"],
	}}
	for _, operation := range []string{"authValidation", "refreshUserInfo", "unAuthorize", "postSaveUserInfo", "getLicenseStatus"} {
		inputs[operation] = person
	}
}

// practiceToken signs a user in at the practice CRM, and returns the access token.
func (k *check) practiceToken(ctx context.Context, login string) (string, error) {
	k.crm.setBehaviour("")
	const redirect = publicURL + "/redirect.html"
	client := &http.Client{Transport: &http.Transport{}, Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	code, err := practicecrm.Code(ctx, client, k.crm.url()+"/oauth/authorize?response_type=code&client_id="+practicecrm.ClientID+"&redirect_uri="+url.QueryEscape(redirect), login)
	if err != nil {
		return "", err
	}
	resp, err := client.PostForm(k.crm.url()+"/oauth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect},
		"client_id": {practicecrm.ClientID}, "client_secret": {practicecrm.ClientSecret},
	})
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	var token struct {
		Access string `json:"access_token"`
	}
	err = json.NewDecoder(resp.Body).Decode(&token)
	return token.Access, err
}
