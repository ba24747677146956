package wasmhost

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/wasmhost/handles"
	"github.com/crmgate/crmgate/wasmhost/mask"
)

// addHeader adds the credential of an Authorization header, and returns the header for the guest. A Basic credential encodes a user
// name and a password, and the API key may be either. keyKnown says that the key has been added.
func (c *call) addHeader(h crmgate.Secret, keyKnown bool) string {
	scheme, credential := splitHeader(h.Reveal())
	c.credential = credential
	shown := c.secrets.Add(manifest.AccessToken, credential)
	switch strings.ToLower(scheme) { // RFC 9110, section 11.1
	case "":
		return shown
	case "bearer":
	case "basic":
		decoded, _ := base64.StdEncoding.DecodeString(credential) // a credential that is not base64 encodes nothing
		user, password, _ := strings.Cut(string(decoded), ":")
		c.secrets.Hide(password)
		// In answers about a person, an email address is data that the connector needs.
		if c.module.manifest.Handles && (keyKnown || strings.Contains(user, "@")) {
			c.secrets.Show(user)
		} else {
			c.secrets.Hide(user)
		}
	default: // a credential can have parameters: Token token="…", email="…"
		c.secrets.Show(strings.FieldsFunc(credential, func(r rune) bool { return strings.ContainsRune(` ,;:="'`, r) })...)
	}
	return scheme + " " + shown
}

// splitHeader returns the scheme and the credential of an Authorization header. A header of one word is a credential.
func splitHeader(header string) (scheme, credential string) {
	scheme, credential, found := strings.Cut(header, " ")
	if !found {
		return "", header
	}
	return scheme, credential
}

// addKey adds an API key, and returns what the guest gets. A handle stands for the key without blanks around it, which pasted keys
// often have: the guest cannot remove them.
func (c *call) addKey(key crmgate.Secret) string {
	v := key.Reveal()
	if c.module.manifest.Handles {
		v = strings.TrimSpace(v)
	}
	return c.secrets.Add(manifest.APIKeySecret, v)
}

// hide returns the input of a call as the guest gets it: with handles for the secrets in a document.
func (c *call) hide(input []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(input))
	d.UseNumber()
	var doc map[string]any
	if !c.module.manifest.Handles || d.Decode(&doc) != nil {
		return input
	}
	replace := func(object any, member string, with func(crmgate.Secret) string) {
		if o, ok := object.(map[string]any); ok {
			if text, ok := o[member].(string); ok && text != "" {
				o[member] = with(crmgate.NewSecret(text))
			}
		}
	}
	add := func(name string) func(crmgate.Secret) string {
		return func(v crmgate.Secret) string { return c.secrets.Add(name, v.Reveal()) }
	}
	replace(doc, "apiKey", c.addKey)
	replace(doc["accountValues"], "apiKey", c.addKey)
	replace(doc, "authHeader", func(v crmgate.Secret) string { return c.addHeader(v, doc["apiKey"] != nil) })
	replace(doc, "refreshToken", add(manifest.RefreshToken))
	replace(doc["oauthInfo"], "clientSecret", add(manifest.ClientSecret))
	return []byte(c.secrets.Strip(string(encode(doc))))
}

// addRevealed adds a secret that the guest gets only if its manifest reveals it, and returns what the guest gets.
func (c *call) addRevealed(name string, v crmgate.Secret) string {
	if c.module.manifest.Reveals(name) {
		return c.secrets.Add(name, v.Reveal())
	}
	c.secrets.Hide(v.Reveal())
	return ""
}

// addApplication adds the secret of an application, and returns the application for the guest.
func (c *call) addApplication(i connector.OAuthInfo) oauthInfoDoc {
	return oauthInfoDoc{
		ClientID: i.ClientID, ClientSecret: c.addRevealed(manifest.ClientSecret, i.ClientSecret), Application: i.Application,
		RevocationURI: i.RevocationURI, TokenAuth: i.TokenAuth,
	}
}

// strippedJSON returns a part of the input without secrets that have handles: a form has the API key, too.
func (c *call) strippedJSON(part json.RawMessage) json.RawMessage {
	if !c.module.manifest.Handles || len(part) == 0 {
		return part
	}
	return json.RawMessage(c.secrets.Strip(string(part)))
}

// checkWhole refuses a request for a part of an answer: only whole secrets are found in it. A Range also keeps the transport from
// asking for gzip and from undoing it.
func (c *call) checkWhole(headers map[string]string) error {
	for name := range headers {
		if c.module.manifest.Handles && strings.EqualFold(name, "Range") {
			return badRequest("a connector with handles must not set the header Range: fetch the whole answer")
		}
	}
	return nil
}

// checkSearchable refuses an answer in which secrets cannot be found: one that is compressed, or in a character encoding that
// writes ASCII in another way. A connector can have asked for it: Accept: text/plain;charset=utf-16.
func (c *call) checkSearchable(h http.Header, size int) error {
	if !c.module.manifest.Handles || size == 0 {
		return nil
	}
	for _, e := range h.Values("Content-Encoding") {
		if !strings.EqualFold(e, "identity") && e != "" {
			return notSearchable("content encoding", e)
		}
	}
	for _, kind := range h.Values("Content-Type") {
		for _, after := range strings.Split(strings.ToLower(kind), "charset=")[1:] {
			charset, _, _ := strings.Cut(after, ";")
			charset = strings.Trim(charset, `"' `)
			if !slices.ContainsFunc(likeASCII, func(prefix string) bool { return strings.HasPrefix(charset, prefix) }) {
				return notSearchable("charset", charset)
			}
		}
	}
	return nil
}

func notSearchable(what, name string) error {
	return &crmgate.FetchError{Kind: crmgate.FetchRefused, Message: fmt.Sprintf("the answer has the %s %q: a connector with handles gets only what can be searched for secrets", what, crmgate.Clip(name))}
}

// likeASCII begins the names of the character encodings in which ASCII text is the same bytes.
var likeASCII = []string{"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-", "latin1", "windows-125", "gb2312", "gbk", "gb18030", "big5", "euc-", "shift_jis"}

// resolves lists the members of answers that may have handles, by operation, and the secret that the server keeps each of them as.
var resolves = map[string]map[string]string{
	"getOauthInfo":               {"clientSecret": manifest.ClientSecret},
	"getBasicAuth":               {"basic": manifest.AccessToken, "header": manifest.AccessToken},
	"checkAndRefreshAccessToken": {"accessToken": manifest.AccessToken, "refreshToken": manifest.RefreshToken},
}

// readable returns a guest's answer without secrets that the guest must not know, and with those that it may return by their
// handles. The names of the latter are added to c.resolved.
func (c *call) readable(ctx context.Context, out []byte) ([]byte, error) {
	if !c.module.manifest.Handles {
		return out, nil
	}
	out = []byte(c.secrets.Strip(string(out)))
	var members map[string]json.RawMessage
	if len(c.resolves) == 0 || json.Unmarshal(out, &members) != nil { // decode reports what is wrong
		return out, nil
	}
	for member, name := range c.resolves {
		var text string
		if json.Unmarshal(members[member], &text) != nil {
			continue
		}
		value, parts, err := c.resolve(ctx, text, name)
		if err == nil && member == "header" {
			err = c.checkScheme(ctx, text, value)
		}
		if err != nil {
			return nil, err
		}
		members[member] = encode(value)
		c.resolved = append(c.resolved, parts...)
	}
	return encode(members), nil
}

// checkScheme refuses a header whose scheme is from a secret. The guest gets the scheme in the input of later calls. text is the header
// with handles, and value is the header with the secrets.
func (c *call) checkScheme(ctx context.Context, text, value string) error {
	before, _ := splitHeader(text)
	if after, _ := splitHeader(value); after == before {
		return nil
	}
	c.log(ctx, slog.LevelWarn, RefusedPrefix+"the Authorization header of getBasicAuth has a secret before its first blank: begin the header with a scheme, such as Token")
	return c.abiError("answered with a header that begins with a secret")
}

// resolve replaces the handles in a member of an answer, which the server then keeps as the secret called name.
func (c *call) resolve(ctx context.Context, text, name string) (value string, parts []string, err error) {
	if c.module.manifest.Handles && strings.Contains(text, mask.Masked) { // the CRM's own answer had a secret in base64 or hex there
		return "", nil, c.abiError("answered with " + name + ", which contains an encoded secret that was replaced,")
	}
	value, parts, err = c.secrets.Resolve(text, name)
	for _, p := range parts {
		m := c.module.manifest
		if name == manifest.RefreshToken && p != name && err == nil && !m.Sends[p].Covers(m.SendsRefreshToken()) {
			err = &handles.Refused{Name: p, Where: "answer as " + name, Do: fmt.Sprintf("crmgate.sends.%s must allow what the server sends to the token endpoint", p)}
		}
	}
	if err != nil {
		c.log(ctx, slog.LevelWarn, RefusedPrefix+err.Error())
		err = c.abiError("answered with a secret that its manifest does not allow there")
	}
	return value, parts, err
}

// formSecrets returns the strings of a form: any of them may be a credential.
func formSecrets(form crmgate.Secret) []string {
	var fields map[string]any
	if json.Unmarshal([]byte(form.Reveal()), &fields) != nil {
		return nil
	}
	var all []string
	for _, v := range fields {
		if s, ok := v.(string); ok {
			all = append(all, s)
		}
	}
	return all
}
