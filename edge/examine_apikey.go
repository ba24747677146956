package edge

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/token"
)

// request is a request that the connector made.
type request struct {
	host   string
	status int
	err    error
}

// watched returns a Fetch that notes each request.
func (x *examiner) watched(fetch crmgate.Fetch) crmgate.Fetch {
	return func(r *http.Request, e crmgate.Egress) (*http.Response, error) {
		resp, err := fetch(r, e)
		made := request{host: r.URL.Host, err: err}
		if err == nil {
			made.status = resp.StatusCode
		}
		x.requests = append(x.requests, made) // calls of the connector follow each other
		return resp, err
	}
}

// apiKey has the connector sign in with a made-up API key, and reports what the CRM answered.
func (x *examiner) apiKey(ctx context.Context, form map[string]string) {
	x.checkForm(form)
	values := map[string]string{}
	for name, v := range form {
		values[name] = v
	}
	key := "crmgate-doctor-" + rand.Text()
	values["apiKey"] = key
	header, err := x.conn.BasicAuth(ctx, crmgate.NewSecret(key))
	if err != nil {
		x.say("API key", "failed", "The connector cannot use it: %v", err)
		return
	}
	additional, _ := json.Marshal(values) // strings always encode
	x.requests = nil
	info, err := x.conn.UserInfo(ctx, connector.UserInfoRequest{
		AuthHeader: header, Hostname: x.hostname,
		APIKey: crmgate.NewSecret(key), AdditionalInfo: crmgate.NewSecret(string(additional)),
	})
	x.sayAnswer(info, err)
}

// checkForm reports fields that the manifest does not have, and required ones without a value.
func (x *examiner) checkForm(form map[string]string) {
	known := func(name string) bool {
		return slices.ContainsFunc(x.manifest.Fields, func(f manifest.FormField) bool { return f.Const == name })
	}
	for name := range form {
		if !known(name) {
			x.say("form", "failed", "The form has no field %q.", name)
		}
	}
	for _, f := range x.manifest.Fields {
		if f.Required && f.Const != "apiKey" && form[f.Const] == "" {
			x.say("form", "warning", "The form also asks for %[1]s, which the connector may need: give it with --field %[1]s=VALUE.", f.Const)
		}
	}
}

// sayAnswer reports what the connector made of a made-up API key.
func (x *examiner) sayAnswer(info connector.UserInfo, err error) {
	const check = "API key"
	said := "it has no message"
	if info.Message != nil {
		said = fmt.Sprintf("it says %q", info.Message.Message)
	}
	if err != nil {
		said = err.Error()
	}
	if len(x.requests) == 0 {
		x.say(check, "warning", "The connector sent no request to the CRM: %s. If people have a host of their own, name one with --hostname.", said)
		return
	}
	last := x.requests[len(x.requests)-1]
	switch {
	case last.err != nil:
		x.say(check, "failed", "%s: %s", last.host, unreached(last.err))
	case info.Successful:
		x.say(check, "failed", "%s answers a made-up API key with status %d, and the connector takes that for a person.", last.host, last.status)
	case last.status == http.StatusTooManyRequests:
		x.say(check, "failed", "%s limits the rate of requests.", last.host)
	case token.Overloaded(last.status):
		x.say(check, "failed", "%s answers with status %d.", last.host, last.status)
	case last.status == http.StatusUnauthorized || last.status == http.StatusForbidden:
		x.say(check, "ok", "%s refuses a made-up API key with status %d; %s.", last.host, last.status, said)
	default:
		x.say(check, "warning", "%s answers a made-up API key with status %d; %s.", last.host, last.status, said)
	}
	var failed *crmgate.ConnectorError
	if errors.As(err, &failed) && last.err == nil && (last.status == http.StatusUnauthorized || last.status == http.StatusForbidden) {
		x.say("connector", "warning", "It answers a refused API key with an error. It should answer that the sign-in was not successful, with a message.")
	}
}
