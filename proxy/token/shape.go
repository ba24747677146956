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

// parameters are what is sent: those of form, which x/oauth2 made, as the manifest wants them, and over them the
// connector's own, whose names are those on the wire.
func (c *call) parameters(form url.Values) map[string]string {
	if s := c.scope(); s != "" {
		form.Set("scope", s)
	}
	for _, name := range c.quirks.Omit {
		form.Del(name)
	}
	all := map[string]string{}
	for name := range form {
		all[c.quirks.Name(name)] = form.Get(name)
	}
	maps.Copy(all, c.quirks.Parameters)
	maps.Copy(all, c.option.Body)
	return all
}

// scope is the scope parameter; empty: there is none.
func (c *call) scope() string {
	s := c.quirks.Scope
	if c.quirks.OwnScope {
		s = c.client.Scopes
		if strings.Contains(s, "=") { // a piece of the authorization URL's query
			q, _ := url.ParseQuery(s)
			s = q.Get("scope")
		}
	}
	separator := c.quirks.ScopeSeparator
	switch {
	case separator == "":
		return s
	case separator == "+" && c.quirks.Body != manifest.TokenBodyJSON:
		separator = " " // which a form writes as a plus; a plus itself would become %2B
	}
	return strings.Join(strings.Fields(s), separator)
}

// place puts the parameters where the CRM looks for them, and what the connector adds to the query into the query.
func (c *call) place(req *http.Request, parameters map[string]string) error {
	query, body := map[string]string{}, ""
	switch c.quirks.Body {
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
	maps.Copy(query, c.option.Query)
	if len(query) > 0 { // else the query stays as it was written
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
	req.GetBody = nil // without it nothing below can send the body a second time
	return nil
}

// conceal adds to the secrets what the request holds beside the client's and the person's: what the connector made of them
// may have any name and any form.
func (c *call) conceal(req *http.Request) {
	if _, credentials, ok := strings.Cut(req.Header.Get("Authorization"), " "); ok {
		c.secrets = append(c.secrets, crmgate.NewSecret(credentials))
	}
	for _, values := range []map[string]string{c.option.Headers, c.option.Query, c.option.Body} {
		for _, v := range values {
			if len(v) >= 8 && v != c.client.ID && v != c.client.RedirectURI {
				c.secrets = append(c.secrets, crmgate.NewSecret(v))
			}
		}
	}
}

// refreshing is the client as it refreshes, by what the manifest says of that.
func (c Client) refreshing() (Client, error) {
	c.Auth = c.refreshAuth
	raw := c.manifest.Refresh.URL
	if raw == "" {
		return c, nil
	}
	if strings.Contains(raw, "{hostname}") && c.Hostname == "" {
		return c, crmgate.Refuse("The manifest of %s refreshes at the person's host, and this sign-in has none.", c.Platform)
	}
	c.TokenURL = manifest.HostnameURL(raw, c.Hostname) // which is held to the manifest's hosts when it is sent
	return c, nil
}
