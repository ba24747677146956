package token

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
)

// parameters are the parameters to send: those that x/oauth2 put into form, as the manifest wants them, and over them the
// connector's own, under their final names.
func (tr *tokenRequest) parameters(form url.Values) map[string]string {
	if s := tr.scope(); s != "" {
		form.Set("scope", s)
	}
	for _, name := range tr.rules.Omit {
		form.Del(name)
	}
	all := map[string]string{}
	for name := range form {
		all[tr.rules.Name(name)] = form.Get(name)
	}
	maps.Copy(all, tr.rules.Parameters)
	maps.Copy(all, tr.option.Body)
	return all
}

// scope is the scope parameter; empty to send none.
func (tr *tokenRequest) scope() string {
	s := tr.rules.Scope
	if tr.rules.OwnScope {
		s = tr.client.Scopes
		if strings.Contains(s, "=") { // part of the query of an authorization URL
			q, _ := url.ParseQuery(s)
			s = q.Get("scope")
		}
	}
	separator := tr.rules.ScopeSeparator
	switch {
	case separator == "":
		return s
	case separator == "+" && tr.rules.Body != manifest.TokenBodyJSON:
		separator = " " // which a form writes as a plus; a plus itself would become %2B
	}
	return strings.Join(strings.Fields(s), separator)
}

// setParameters puts the parameters into the form, the JSON body or the query, and the connector's query into the query.
func (tr *tokenRequest) setParameters(req *http.Request, parameters map[string]string) error {
	query, body := map[string]string{}, ""
	switch tr.rules.Body {
	case manifest.TokenBodyQuery:
		query = parameters
		req.Header.Del("Content-Type")
	case manifest.TokenBodyJSON:
		b, err := json.Marshal(parameters)
		if err != nil {
			return err
		}
		body = string(b)
		req.Header.Set("Content-Type", "application/json")
	default:
		form := url.Values{}
		for k, v := range parameters {
			form.Set(k, v)
		}
		body = form.Encode()
	}
	maps.Copy(query, tr.option.Query)
	if len(query) > 0 { // otherwise the query stays as it was written
		q := req.URL.Query()
		for k, v := range query {
			q.Set(k, v)
		}
		req.URL.RawQuery = q.Encode()
	}
	req.Body = io.NopCloser(strings.NewReader(body))
	if body == "" {
		req.Body = http.NoBody
	}
	req.ContentLength = int64(len(body))
	req.GetBody = nil // so that no transport can send the body a second time
	return nil
}

// addSecretsOf adds the credentials and the connector's values of a request to the secrets: the connector may have put a
// secret into any of them.
func (tr *tokenRequest) addSecretsOf(req *http.Request) {
	if _, credentials, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		tr.secrets = append(tr.secrets, crmgate.NewSecret(credentials))
	}
	for _, values := range []map[string]string{tr.option.Headers, tr.option.Query, tr.option.Body} {
		for _, v := range values {
			if len(v) >= 8 && v != tr.client.ID && v != tr.client.RedirectURI {
				tr.secrets = append(tr.secrets, crmgate.NewSecret(v))
			}
		}
	}
}
