package org

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/manifest"
	"github.com/crmgate/crmgate/proxy/identity"
	"github.com/crmgate/crmgate/storage"
)

// askAgain is how long a form shows all fields after a sign-in without the values that it needed. A client that asks without
// a host cannot know which host the person will name. The time is that of a sign-in: a host that was mistyped once is soon
// forgotten.
const askAgain = 10 * time.Minute

// offer is what can fill in the managed fields of one person's form.
type offer struct {
	key storage.FieldsKey // names the host
	// here are the values of that host. unplaced are values without a host, which fill what here lacks.
	here, unplaced storage.Fields
}

// offer returns the values with which a person's form may be filled in. hostname is a result of CheckHostname. This is the
// only place that decides which host a stored value may be sent to.
//
// Values of a host are offered there, and nowhere else: otherwise a member could have them sent to a server of their own.
// Values without a host are of two kinds. If the platform's form asks for no host, they are those of sign-ins without one,
// and are offered for such sign-ins. All others were stored before values had a host. They are offered to admins only, at any
// host; Filling.Accepted and UpdateManagedFields move them there.
func (o *Orgs) offer(ctx context.Context, m *manifest.Manifest, who identity.Identity, hostname string) (x offer, err error) {
	x.key = storage.FieldsKey{Platform: m.Platform, Account: who.Account, Extension: who.Extension, Hostname: m.ValuesHost(hostname)}
	anywhere := x.key
	anywhere.Hostname = ""
	if x.key.Hostname != "" && who.Admin { // before here: values that are moved meanwhile are in both
		if x.unplaced, err = o.DB.Fields(ctx, anywhere); err != nil {
			return x, err
		}
	}
	x.here, err = o.DB.Fields(ctx, x.key)
	if x.key.Hostname == "" && m.AsksHost() && !who.Admin {
		x.here.Account, x.here.Extension = nil, nil
	}
	return x, err
}

// all returns the values of an offer.
func (x offer) all() storage.Fields {
	return storage.Fields{
		Account: over(x.unplaced.Account, x.here.Account), Extension: over(x.unplaced.Extension, x.here.Extension), Failed: x.here.Failed,
	}
}

// over returns the values of both; where both have a field, that of top.
func over(bottom, top storage.FieldValues) storage.FieldValues {
	all := storage.FieldValues{}
	maps.Copy(all, bottom)
	maps.Copy(all, top)
	return all
}

// expected returns the values that a sign-in will probably be offered. App Connect's clients do not say at which host the
// person will sign in, although the form asks for it: then it is the only host that has values. If several have, none of
// those is expected.
func (o *Orgs) expected(ctx context.Context, m *manifest.Manifest, who identity.Identity, hostname string) (storage.Fields, error) {
	hostname, err := m.CheckHostname(hostname)
	if err != nil {
		return storage.Fields{}, err
	}
	x, err := o.offer(ctx, m, who, hostname)
	if err != nil || hostname != "" || !m.AsksHost() {
		return x.all(), err
	}
	failed := x.here.Failed
	hosts, err := o.DB.FieldsHosts(ctx, x.key)
	if err == nil && len(hosts) == 1 {
		x, err = o.offer(ctx, m, who, hosts[0])
	}
	if err != nil {
		return storage.Fields{}, err
	}
	f := x.all()
	f.Failed = f.Failed || failed
	return f, nil
}

// fail records a failed sign-in. It logs an error, because the person's answer does not depend on it.
func (o *Orgs) fail(ctx context.Context, key storage.FieldsKey, life time.Duration) {
	if err := o.DB.FailFields(ctx, key, life); err != nil {
		o.Logger.WarnContext(ctx, "could not record a failed sign-in with managed fields", "platform", key.Platform, "err", err)
	}
}

// account returns the key of the organisation's values at the same host.
func account(key storage.FieldsKey) storage.FieldsKey {
	key.Extension = ""
	return key
}

// hostOf returns the platform's values of one host.
func hostOf(all []storage.HostFields, hostname string) storage.HostFields {
	for _, h := range all {
		if h.Hostname == hostname {
			return h
		}
	}
	return storage.HostFields{}
}

// withUnplaced returns the values of one host, merged with those that have no host. The host's own win.
func withUnplaced(all []storage.HostFields, hostname string) storage.HostFields {
	h, unplaced := hostOf(all, hostname), hostOf(all, "")
	h.Account = over(unplaced.Account, h.Account)
	merged := map[crmgate.ExtensionID]storage.ExtensionFields{}
	for _, e := range unplaced.Extensions {
		merged[e.Extension] = e
	}
	for _, e := range h.Extensions {
		e.Name, e.Values = cmp.Or(e.Name, merged[e.Extension].Name), over(merged[e.Extension].Values, e.Values)
		merged[e.Extension] = e
	}
	h.Extensions = nil
	for _, id := range slices.Sorted(maps.Keys(merged)) {
		h.Extensions = append(h.Extensions, merged[id])
	}
	return h
}
