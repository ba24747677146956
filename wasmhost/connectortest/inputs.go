package connectortest

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/practicecrm"
)

// inputs are requests that the CRM is glad about, by operation: from the connector's vectors with credentials of our own
// put in, or from a sign-in at the practice CRM. An operation without one is only met by a CRM in a mood.
func (k *check) inputs(ctx context.Context) map[string]doc {
	inputs := map[string]doc{}
	for _, v := range k.own {
		for _, c := range v.Cases {
			if c.glad() {
				k.crm.learn(c.Fetches)
			}
			if c.glad() && inputs[v.Operation] == nil {
				inputs[v.Operation] = k.masked(ctx, c.Input)
			}
		}
	}
	if k.atPracticeCRM() {
		k.atPractice(ctx, inputs)
	}
	inputs["getAuthType"] = doc{}
	if inputs["getBasicAuth"] == nil {
		inputs["getBasicAuth"] = doc{"apiKey": k.canary("the API key")}
	}
	if inputs["getOauthInfo"] == nil && k.call(ctx, "getOauthInfo", doc{}, "").succeeded() { // some need a host
		inputs["getOauthInfo"] = doc{}
	}
	return inputs
}

// canary makes a credential that is nobody's, to be looked for in what comes out.
func (k *check) canary(name string) string {
	value := "check-" + rand.Text()
	k.watch.secret(name, value)
	return value
}

// masked puts credentials of ours in the place of those that were recorded.
func (k *check) masked(ctx context.Context, input []byte) doc {
	d := parseDoc(input)
	mask := func(name, old string) {
		if old != "" {
			d = doc(replaced(map[string]any(d), old, k.mask(name, old)).(map[string]any))
		}
	}
	scheme, credential, _ := strings.Cut(d.text("authHeader"), " ")
	key := d.text("apiKey")
	if key == "" {
		key = d.object("additionalInfo").text("apiKey")
	}
	mask("the API key", key)
	for name, v := range d.object("additionalInfo") { // any text of a form may be a credential; an address is part of how the CRM is asked
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
	if scheme == "Basic" {
		d["authHeader"] = k.basic(ctx, d, key, credential)
	}
	return d
}

// mask makes a credential to stand in for a recorded one, and has the CRM know it by that.
func (k *check) mask(name, recorded string) string {
	ours := k.canary(name)
	k.crm.knowAs(ours, recorded)
	return ours
}

// replaced puts a text in another's place in all texts of a document.
func replaced(v any, old, ours string) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, old, ours)
	case map[string]any:
		m := map[string]any{}
		for name, member := range v {
			m[name] = replaced(member, old, ours)
		}
		return m
	case []any:
		l := make([]any, len(v))
		for i, element := range v {
			l[i] = replaced(element, old, ours)
		}
		return l
	}
	return v
}

// basic asks the connector what its API key's header is; in operations on a person, whose key is not in the input, it
// makes one up.
func (k *check) basic(ctx context.Context, d doc, recorded, header string) string {
	key := d.text("apiKey")
	if key == "" || recorded == "" {
		decoded, _ := base64.StdEncoding.DecodeString(header)
		recorded, _, _ = strings.Cut(string(decoded), ":")
		key = k.mask("the API key", recorded)
	}
	a := k.call(ctx, "getBasicAuth", doc{"apiKey": key}, "")
	basic := parseDoc(a.Output).text("basic")
	k.watch.secret("the API key", basic)
	k.crm.knowAs(basic, header)
	return "Basic " + basic
}

// aGoldenInput is the first of the ABI's own inputs, with credentials of ours.
func (k *check) aGoldenInput(operation string) doc {
	for _, c := range of(k.golden, operation) {
		return k.ours(parseDoc(c.Input))
	}
	return doc{}
}

// ours makes a golden input one of this platform, with credentials that are looked for.
func (k *check) ours(d doc) doc {
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

// atPractice signs a person in at the practice CRM.
func (k *check) atPractice(ctx context.Context, inputs map[string]doc) {
	in := doc{"hostname": "", "platform": k.name}
	if k.manifest.AuthType == manifest.APIKey {
		k.watch.secret("the API key", practicecrm.APIKey)
		a := k.call(ctx, "getBasicAuth", doc{"apiKey": practicecrm.APIKey}, "")
		inputs["getBasicAuth"] = doc{"apiKey": practicecrm.APIKey}
		in["authHeader"] = "Basic " + parseDoc(a.Output).text("basic")
		in["apiKey"], in["additionalInfo"] = practicecrm.APIKey, doc{"apiKey": practicecrm.APIKey}
	} else {
		access, err := k.practiceToken(ctx, "ada")
		if err != nil {
			k.say("practice CRM", Failed, err.Error(), "")
			return
		}
		k.watch.secret("the access token", access)
		in["authHeader"], in["data"] = "Bearer "+access, doc{"token_type": "Bearer"}
	}
	inputs["getUserInfo"] = in
	// Who signed in is what operations on a person get.
	who := parseDoc(k.call(ctx, "getUserInfo", in, "").Output).object("platformUserInfo")
	person := doc{"authHeader": in["authHeader"], "user": doc{
		"id": who["id"], "platform": k.name, "hostname": "", "rcAccountId": "1", "tokenExpiry": "2030-01-01T00:00:00Z", "platformAdditionalInfo": who["platformAdditionalInfo"],
	}}
	for _, operation := range []string{"authValidation", "refreshUserInfo", "unAuthorize", "postSaveUserInfo", "getLicenseStatus"} {
		inputs[operation] = person
	}
}

// practiceToken lets a person sign in at the practice CRM.
func (k *check) practiceToken(ctx context.Context, login string) (string, error) {
	k.crm.as("")
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
