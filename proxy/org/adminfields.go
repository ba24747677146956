package org

import (
	"context"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/connector"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// FieldPlatforms are the platforms whose form has managed fields, in the order of their names.
func (a *Admin) FieldPlatforms() []*manifest.Manifest {
	var all []*manifest.Manifest
	for _, m := range a.Platforms() {
		if m.AuthType == manifest.APIKey && hasManaged(m.Fields) {
			all = append(all, m)
		}
	}
	return all
}

// Fields are the managed fields of a platform, and which of them have a value. It is a Refusal if the platform has none.
func (a *Admin) Fields(ctx context.Context, p crmgate.Platform) (*manifest.Manifest, ManagedFields, error) {
	m, err := a.o.Connectors.Connectable(p)
	if err == nil && (m.AuthType != manifest.APIKey || !hasManaged(m.Fields)) {
		err = &crmgate.Refusal{Kind: crmgate.Missing, Message: m.Title + " has no credentials that an administrator fills in."}
	}
	if err != nil {
		return nil, ManagedFields{}, err
	}
	v, err := a.o.managedFields(ctx, a.who.Account, p)
	return m, v, err
}

// UpdateFields is Flows.UpdateManagedFields by an admin whom the page knows.
func (a *Admin) UpdateFields(ctx context.Context, p crmgate.Platform, u FieldsUpdate) error {
	return a.o.updateFields(ctx, storage.FieldsKey{Platform: p, Account: a.who.Account}, u, audit.Event{By: audit.ByAdmin})
}

// FieldOptions is Flows.FieldOptions likewise.
func (a *Admin) FieldOptions(ctx context.Context, p crmgate.Platform, field string) ([]connector.ManagedAuthOption, error) {
	return a.o.fieldOptions(ctx, a.who.Account, FieldOptionsRequest{Platform: p, Field: field})
}
