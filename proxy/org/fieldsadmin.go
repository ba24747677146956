package org

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// FieldsAdmin is an admin who is signed in to the CRM, and who reads or changes the organisation's managed values.
type FieldsAdmin struct {
	Session crmgate.UserKey
	RCToken crmgate.Secret
}

// organisation returns the admin's organisation. It is a Refusal if the token is not an admin's, or if the session's user
// belongs to another organisation.
func (o *Orgs) organisation(ctx context.Context, a FieldsAdmin) (crmgate.AccountID, error) {
	who, err := o.Verify.Admin(ctx, a.RCToken)
	if err != nil {
		return "", err
	}
	p, err := o.DB.Person(ctx, a.Session)
	if err != nil {
		return "", err
	}
	if p.User.Account != "" && p.User.Account != who.Account {
		return "", &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "The session and the RingCentral access token belong to different RingCentral accounts."}
	}
	return who.Account, nil
}

// ManagedFields is what an admin sees of the managed fields: their definitions, and which of them have a value.
type ManagedFields struct {
	Managed   bool                  `json:"hasManagedAuth"`
	Fields    []json.RawMessage     `json:"fields"` // as the manifest defines them
	OrgFields []json.RawMessage     `json:"orgFields"`
	Own       []json.RawMessage     `json:"userFields"`
	OrgValues map[string]ShownValue `json:"orgValues"` // by const
	Values    []ExtensionValues     `json:"userValues"`
}

// ExtensionValues is what an admin sees of an extension's values.
type ExtensionValues struct {
	Extension crmgate.ExtensionID   `json:"rcExtensionId"`
	Name      string                `json:"rcUserName"`
	Fields    map[string]ShownValue `json:"fields"`
}

// ShownValue says whether there is a value; Value is the Placeholder then.
type ShownValue struct {
	HasValue bool   `json:"hasValue"`
	Value    string `json:"value"`
}

// ManagedFields returns an organisation's managed fields of the session's platform, and the values for its host. It leaves
// out values of fields that the manifest does not have.
func (o *Orgs) ManagedFields(ctx context.Context, a FieldsAdmin) (ManagedFields, error) {
	account, err := o.organisation(ctx, a)
	if err != nil {
		return ManagedFields{}, err
	}
	all, err := o.DB.AllFields(ctx, a.Session.Platform, account)
	if err != nil {
		return ManagedFields{}, err
	}
	m := o.Connectors.Manifest(ctx, a.Session.Platform)
	return managedFields(m.Fields, withUnplaced(all, m.ValuesHost(a.Session.Hostname))), nil
}

// managedFields is what an admin sees of a platform's managed fields and of the values for one host.
func managedFields(fields []manifest.FormField, h storage.HostFields) ManagedFields {
	none := func() []json.RawMessage { return []json.RawMessage{} } // a list in JSON, not null
	v := ManagedFields{
		Managed: hasManaged(fields), Fields: none(), OrgFields: none(), Own: none(),
		OrgValues: shown(fields, manifest.AccountScope, h.Account), Values: []ExtensionValues{},
	}
	for _, field := range fields {
		if !field.Managed {
			continue
		}
		v.Fields = append(v.Fields, field.Definition)
		if field.Scope == manifest.UserScope {
			v.Own = append(v.Own, field.Definition)
		} else {
			v.OrgFields = append(v.OrgFields, field.Definition)
		}
	}
	for _, e := range h.Extensions {
		v.Values = append(v.Values, ExtensionValues{e.Extension, e.Name, shown(fields, manifest.UserScope, e.Values)})
	}
	return v
}

func shown(fields []manifest.FormField, scope manifest.FieldScope, values storage.FieldValues) map[string]ShownValue {
	all := map[string]ShownValue{}
	for _, field := range fields {
		if !field.Managed || field.Scope != scope {
			continue
		}
		all[field.Const] = ShownValue{}
		if !values[field.Const].IsZero() {
			all[field.Const] = ShownValue{true, crmgate.Placeholder}
		}
	}
	return all
}

// FieldsUpdate is an admin's change of managed values.
type FieldsUpdate struct {
	Scope     string              // "user": an extension's values; otherwise the organisation's
	Extension crmgate.ExtensionID // of scope user
	Name      string              // of the extension's person; empty leaves it unchanged
	Values    crmgate.Secret      // a JSON object by const, or empty; added to the stored values
	Remove    []string
}

// UpdateManagedFields changes an organisation's values for the host of the session. Values without a host are moved there,
// because ManagedFields showed them to the admin as values of that host. An invalid update is a Refusal, and changes nothing.
func (o *Orgs) UpdateManagedFields(ctx context.Context, a FieldsAdmin, u FieldsUpdate) error {
	account, err := o.organisation(ctx, a)
	if err != nil {
		return err
	}
	key := storage.FieldsKey{Platform: a.Session.Platform, Account: account}
	key.Hostname = o.Connectors.Manifest(ctx, key.Platform).ValuesHost(a.Session.Hostname)
	return o.updateFields(ctx, key, u, audit.Event{By: audit.ByPerson, User: a.Session.ID}, storage.PlaceFields(key))
}

// updateFields changes the values that key names, and logs the event by. with is stored too if anything changes.
func (o *Orgs) updateFields(ctx context.Context, key storage.FieldsKey, u FieldsUpdate, by audit.Event, with ...storage.With) (err error) {
	c := storage.FieldsChange{Key: key, Remove: u.Remove}
	if manifest.FieldScope(u.Scope) == manifest.UserScope {
		switch {
		case u.Extension == "":
			return crmgate.Refuse("rcExtensionId is required for user managed auth values")
		case len(u.Extension) > 64 || len(u.Name) > maxFieldName:
			return crmgate.Refuse("rcExtensionId or rcUserName is too long: the limits are 64 and %d bytes.", maxFieldName)
		}
		c.Key.Extension, c.Name = u.Extension, u.Name
	}
	if c.Set, err = readFieldValues(u.Values); err != nil {
		return err
	}
	by.Kind, by.Outcome = audit.EventAdministration, audit.OutcomeOK
	if len(c.Set)+len(c.Remove) == 0 {
		with = nil
	}
	return o.DB.ChangeFields(ctx, c, append(with, storage.LogEvent(by))...)
}

// FieldOptionsRequest asks for the options of a dynamic field.
type FieldOptionsRequest struct {
	Platform crmgate.Platform
	// Hostname is the host whose stored values the connector gets. If it is empty, they are those of the only host that has any.
	Hostname string
	Field    string // its const
	// AccountValues is a JSON object by const, or empty. For this request its values replace stored ones.
	AccountValues crmgate.Secret
	RCToken       crmgate.Secret
}

// FieldOptions returns the options of an extension's dynamic field, an empty list if the connector has none. An invalid
// request is a Refusal.
func (o *Orgs) FieldOptions(ctx context.Context, r FieldOptionsRequest) ([]connector.ManagedAuthOption, error) {
	switch {
	case r.Platform == "":
		return nil, crmgate.RefusePlain("Missing platform name")
	case r.Field == "":
		return nil, crmgate.RefusePlain("Missing managed auth field")
	}
	who, err := o.Verify.Admin(ctx, r.RCToken)
	if err != nil {
		return nil, err
	}
	who.Extension = "" // options depend on the organisation's values only
	m := o.Connectors.Manifest(ctx, r.Platform)
	stored, err := o.expected(ctx, m, who, r.Hostname)
	if err != nil {
		return nil, err
	}
	return o.fieldOptions(ctx, m, r, stored)
}

func (o *Orgs) fieldOptions(ctx context.Context, m *manifest.Manifest, r FieldOptionsRequest, stored storage.Fields) ([]connector.ManagedAuthOption, error) {
	if !isDynamic(m.Fields, r.Field) {
		return nil, crmgate.Refuse("Managed auth field %q is not a dynamic user field", r.Field[:min(len(r.Field), maxFieldName)])
	}
	submitted, err := readFieldValues(r.AccountValues)
	if err != nil {
		return nil, err
	}
	conn, err := o.Connectors.Find(ctx, r.Platform)
	if err != nil {
		return nil, err
	}
	options, err := conn.ManagedAuthOptions(ctx, connector.ManagedAuthOptionsRequest{
		FieldConst: r.Field, AccountValues: accountValues(m.Fields, stored.Account, submitted),
	})
	if errors.Is(err, errors.ErrUnsupported) || len(options) == 0 && err == nil {
		return []connector.ManagedAuthOption{}, nil
	}
	return options, err
}

func isDynamic(fields []manifest.FormField, name string) bool {
	for _, field := range fields {
		if field.Const == name && field.Dynamic && field.Scope == manifest.UserScope {
			return true
		}
	}
	return false
}

// accountValues returns the values that a connector may see: those of the manifest's fields of the organisation. A
// submitted value replaces the stored one.
func accountValues(fields []manifest.FormField, stored, submitted storage.FieldValues) map[string]crmgate.Secret {
	all := map[string]crmgate.Secret{}
	for _, field := range fields {
		if !field.Managed || field.Dynamic || field.Scope != manifest.AccountScope {
			continue
		}
		for _, values := range []storage.FieldValues{stored, submitted} {
			if v := values[field.Const]; !v.IsZero() {
				all[field.Const] = v
			}
		}
	}
	return all
}

// FieldPlatforms returns the platforms with managed fields, in the order of their titles.
func (a *Admin) FieldPlatforms(ctx context.Context) []*manifest.Manifest {
	var all []*manifest.Manifest
	for _, m := range a.Platforms(ctx) {
		if m.AuthType == manifest.APIKey && hasManaged(m.Fields) {
			all = append(all, m)
		}
	}
	return all
}

// FieldsPlatform returns the manifest of a platform with managed fields. A platform without any is a Refusal.
func (a *Admin) FieldsPlatform(ctx context.Context, p crmgate.Platform) (*manifest.Manifest, error) {
	m, err := a.o.Connectors.Connectable(ctx, p)
	if err == nil && (m.AuthType != manifest.APIKey || !hasManaged(m.Fields)) {
		err = &crmgate.Refusal{Kind: crmgate.Missing, Message: m.Title + " has no fields that an administrator fills in."}
	}
	return m, err
}

// AdminFields are the managed fields of a platform at one host, for the admin page.
type AdminFields struct {
	ManagedFields
	Hosts []string // the hosts that have values
	// Unplaced means that there are values without a host. PlaceFields moves them to one.
	Unplaced bool
}

// Fields returns the managed fields of a platform, and which of them have a value at a host. host is a result of ValuesHost.
func (a *Admin) Fields(ctx context.Context, m *manifest.Manifest, host string) (AdminFields, error) {
	all, err := a.o.DB.AllFields(ctx, m.Platform, a.who.Account)
	if err != nil {
		return AdminFields{}, err
	}
	f := AdminFields{ManagedFields: managedFields(m.Fields, hostOf(all, host))}
	for _, h := range all {
		if h.Hostname != "" {
			f.Hosts = append(f.Hosts, h.Hostname)
		} else {
			f.Unplaced = host != "" || m.AsksHost()
		}
	}
	return f, nil
}

// FieldsRevision identifies the values at a host that a form shows: the organisation's, or those of an extension.
func (a *Admin) FieldsRevision(ctx context.Context, m *manifest.Manifest, host string, x crmgate.ExtensionID) (string, error) {
	return a.o.DB.FieldsRevision(ctx, a.fieldsKey(m, host, x))
}

func (a *Admin) fieldsKey(m *manifest.Manifest, host string, x crmgate.ExtensionID) storage.FieldsKey {
	return storage.FieldsKey{Platform: m.Platform, Account: a.who.Account, Hostname: host, Extension: x}
}

// UpdateFields changes values for a host. An invalid update is a Refusal, and changes nothing. So is one whose revision is not
// the FieldsRevision.
func (a *Admin) UpdateFields(ctx context.Context, m *manifest.Manifest, host string, u FieldsUpdate, revision string) error {
	seen := storage.IfFieldsSeen(a.fieldsKey(m, host, u.Extension), revision)
	err := a.o.updateFields(ctx, a.fieldsKey(m, host, ""), u, a.event(audit.EventAdministration), seen)
	return outdated(err, "The credentials were changed after this page was opened. Check them and try again.")
}

// PlaceFields moves the organisation's values without a host to a host.
func (a *Admin) PlaceFields(ctx context.Context, m *manifest.Manifest, host string) error {
	key := storage.FieldsKey{Platform: m.Platform, Account: a.who.Account, Hostname: host}
	return a.o.DB.ChangeFields(ctx, storage.FieldsChange{Key: key}, storage.PlaceFields(key), storage.LogEvent(a.event(audit.EventAdministration)))
}

// FieldOptions returns the options of an extension's dynamic field, with the values of a host.
func (a *Admin) FieldOptions(ctx context.Context, m *manifest.Manifest, host, field string) ([]connector.ManagedAuthOption, error) {
	stored, err := a.o.DB.Fields(ctx, storage.FieldsKey{Platform: m.Platform, Account: a.who.Account, Hostname: host})
	if err != nil {
		return nil, err
	}
	return a.o.fieldOptions(ctx, m, FieldOptionsRequest{Platform: m.Platform, Field: field}, stored)
}
