package crmgate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crmgate/crmgate"
)

func TestPage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		platform string
		want     crmgate.Page
	}{
		"nothing to choose": {`"auth": {"type": "apiKey"}`, crmgate.Page{Environment: crmgate.EnvironmentPage{Kind: crmgate.Fixed}}},
		"fixed": {`"auth": {"type": "apiKey"}, "environment": {"type": "fixed", "url": "https://crm.example/"}`,
			crmgate.Page{Environment: crmgate.EnvironmentPage{Kind: crmgate.Fixed, URL: "https://crm.example/"}}},
		"selectable": {`"auth": {"type": "apiKey"}, "environment": {"type": "selectable", "selections": [{"const": "https://eu.crm.example", "name": "EU"}, {"const": "us.crm.example"}]}`,
			crmgate.Page{Environment: crmgate.EnvironmentPage{Kind: crmgate.Selectable, Selections: []crmgate.Option{
				{Value: "https://eu.crm.example", Label: "EU"}, {Value: "us.crm.example", Label: "us.crm.example"}}}}},
		"dynamic": {`"auth": {"type": "apiKey"}, "environment": {"type": "dynamic", "urlIdentifier": "*.crm.example/app*", "instructions": ["Log in", "Copy"]}`,
			crmgate.Page{Environment: crmgate.EnvironmentPage{Kind: crmgate.Dynamic, Identifier: "*.crm.example", Instructions: []string{"Log in", "Copy"}}}},
		"a form": {`"auth": {"type": "apiKey", "apiKey": {"page": {"title": "Acme", "warning": "Careful.", "content": [
			{"const": "intro", "description": "Hello", "uiSchema": {"ui:field": "typography"}},
			{"const": "where", "title": "Get a key", "uiSchema": {"ui:field": "button", "ui:href": "https://crm.example/keys"}},
			{"const": "onlyForClients", "title": "Get a key", "uiSchema": {"ui:field": "button"}},
			{"const": "evil", "title": "Get a key", "uiSchema": {"ui:field": "link", "ui:href": "javascript:alert(1)"}},
			{"const": "apiKey", "title": "API key", "required": true, "uiSchema": {"ui:widget": "password"}},
			{"const": "note", "uiSchema": {"ui:widget": "textarea"}, "default": 7},
			{"const": "region", "title": "Region", "options": [{"const": "eu", "title": "Europe"}, "us"]},
			{"const": "shared", "title": "Shared", "managed": true}]}}}`,
			crmgate.Page{Environment: crmgate.EnvironmentPage{Kind: crmgate.Fixed}, Form: crmgate.FormPage{Title: "Acme", Warning: "Careful.", Content: []crmgate.FormEntry{
				{Const: "intro", Title: "Hello", Description: "Hello", Widget: crmgate.ParagraphEntry},
				{Const: "where", Title: "Get a key", Widget: crmgate.LinkEntry, Link: "https://crm.example/keys"},
				{Const: "apiKey", Title: "API key", Required: true, Widget: crmgate.PasswordWidget},
				{Const: "note", Title: "note", Widget: crmgate.TextareaWidget, Default: "7"},
				{Const: "region", Title: "Region", Widget: crmgate.SelectWidget, Options: []crmgate.Option{{Value: "eu", Label: "Europe"}, {Value: "us", Label: "us"}}},
			}}}},
		"what is of no use is no error": {`"auth": {"type": "apiKey", "apiKey": {"page": {"title": 7, "content": [{"const": "a", "title": {}, "options": "x"}]}}}`,
			crmgate.Page{Environment: crmgate.EnvironmentPage{Kind: crmgate.Fixed}, Form: crmgate.FormPage{Content: []crmgate.FormEntry{{Const: "a", Title: "a", Widget: crmgate.TextWidget}}}}},
	} {
		m := mustParse(t, map[string]string{"a": `{"platforms": {"a": {` + c.platform + `}}}`}, "a")
		if d := cmp.Diff(c.want, m.Page); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestWhatIsNotShownAgain(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"apiKey": true, "fd_api_key": true, "userPassword": true, "username": false, "apiUrl": false} {
		if got := (crmgate.FormEntry{Const: name, Widget: crmgate.TextWidget}).Secret(); got != want {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
}
