package manifest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crmgate/crmgate/manifest"
)

func TestPage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		platform string
		want     manifest.Page
	}{
		"no environment": {`"auth": {"type": "apiKey"}`, manifest.Page{Environment: manifest.EnvironmentPage{Kind: manifest.Fixed}}},
		"fixed": {`"auth": {"type": "apiKey"}, "environment": {"type": "fixed", "url": "https://crm.example/"}`,
			manifest.Page{Environment: manifest.EnvironmentPage{Kind: manifest.Fixed, URL: "https://crm.example/"}}},
		"selectable": {`"auth": {"type": "apiKey"}, "environment": {"type": "selectable", "selections": [{"const": "https://eu.crm.example", "name": "EU"}, {"const": "us.crm.example"}]}`,
			manifest.Page{Environment: manifest.EnvironmentPage{Kind: manifest.Selectable, Selections: []manifest.Option{
				{Value: "https://eu.crm.example", Label: "EU"}, {Value: "us.crm.example", Label: "us.crm.example"}}}}},
		"dynamic": {`"auth": {"type": "apiKey"}, "environment": {"type": "dynamic", "urlIdentifier": "*.crm.example/app*", "instructions": ["Log in", "Copy"]}`,
			manifest.Page{Environment: manifest.EnvironmentPage{Kind: manifest.Dynamic, Identifier: "*.crm.example", Instructions: []string{"Log in", "Copy"}}}},
		"a form": {`"auth": {"type": "apiKey", "apiKey": {"page": {"title": "Acme", "warning": "Careful.", "content": [
			{"const": "intro", "description": "Hello", "uiSchema": {"ui:field": "typography"}},
			{"const": "where", "title": "Get a key", "uiSchema": {"ui:field": "button", "ui:href": "https://crm.example/keys"}},
			{"const": "onlyForClients", "title": "Get a key", "uiSchema": {"ui:field": "button"}},
			{"const": "addressed", "title": "Get a key", "uiSchema": {"ui:field": "button", "ui:href": "https://crm.example/old"}},
			{"const": "personal", "title": "Go there", "uiSchema": {"ui:field": "button"}},
			{"const": "evil", "title": "Get a key", "uiSchema": {"ui:field": "link", "ui:href": "javascript:alert(1)"}},
			{"const": "apiKey", "title": "API key", "required": true, "uiSchema": {"ui:widget": "password"}},
			{"const": "note", "uiSchema": {"ui:widget": "textarea"}, "default": 7},
			{"const": "region", "title": "Region", "options": [{"const": "eu", "title": "Europe"}, "us"]},
			{"const": "shared", "title": "Shared", "managed": true}]}}}, "crmgate": {"buttons": {"addressed": "https://crm.example/new", "personal": "https://{hostname}/keys"}}`,
			manifest.Page{Environment: manifest.EnvironmentPage{Kind: manifest.Fixed}, Form: manifest.FormPage{Title: "Acme", Warning: "Careful.", Content: []manifest.FormEntry{
				{Const: "intro", Title: "Hello", Description: "Hello", Widget: manifest.ParagraphEntry},
				{Const: "where", Title: "Get a key", Widget: manifest.LinkEntry, Link: "https://crm.example/keys"},
				{Const: "addressed", Title: "Get a key", Widget: manifest.LinkEntry, Link: "https://crm.example/new"},
				{Const: "personal", Title: "Go there", Widget: manifest.LinkEntry, Link: "https://{hostname}/keys"},
				{Const: "apiKey", Title: "API key", Required: true, Widget: manifest.PasswordWidget, Secret: true},
				{Const: "note", Title: "note", Widget: manifest.TextareaWidget, Default: "7"},
				{Const: "region", Title: "Region", Widget: manifest.SelectWidget, Options: []manifest.Option{{Value: "eu", Label: "Europe"}, {Value: "us", Label: "us"}}},
			}, Unlinked: []string{"onlyForClients", "evil"}, Managed: []manifest.FormEntry{{Const: "shared", Title: "Shared", Widget: manifest.TextWidget}}}}},
		"values of other types are left out": {`"auth": {"type": "apiKey", "apiKey": {"page": {"title": 7, "content": [{"const": "a", "title": {}, "options": "x"}]}}}`,
			manifest.Page{Environment: manifest.EnvironmentPage{Kind: manifest.Fixed}, Form: manifest.FormPage{Content: []manifest.FormEntry{{Const: "a", Title: "a", Widget: manifest.TextWidget}}}}},
	} {
		m := mustParse(t, map[string]string{"a": `{"platforms": {"a": {` + c.platform + `}}}`}, "a")
		if d := cmp.Diff(c.want, m.Page); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestSecretEntries(t *testing.T) {
	t.Parallel()
	for members, want := range map[string]bool{
		`"const": "apiKey"`: true, `"const": "fd_api_key"`: true, `"const": "userPassword"`: true, `"const": "username"`: false, `"const": "apiUrl"`: false,
		`"const": "pin", "uiSchema": {"ui:widget": "password"}`:                true,
		`"const": "pin", "secret": true`:                                       true,
		`"const": "apiKey", "secret": false`:                                   false,
		`"const": "apiKey", "uiSchema": {"ui:widget": "text"}`:                 false,
		`"const": "apiKey", "uiSchema": {"ui:widget": "text"}, "secret": true`: true,
		`"const": "apiKey", "uiSchema": {"ui:widget": "textarea"}`:             true,
		`"const": "tokenType", "options": ["a", "b"]`:                          false, // a choice is not a secret
	} {
		m := mustParse(t, map[string]string{"a": `{"platforms": {"a": {"auth": {"type": "apiKey", "apiKey": {"page": {"content": [{` + members + `}]}}}}}}`}, "a")
		if got := m.Page.Form.Content[0].Secret; got != want {
			t.Errorf("%s: %v, want %v", members, got, want)
		}
	}
}
