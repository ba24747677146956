package org

import (
	"context"
	"errors"
	"sort"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/proxy/operator"
	"github.com/crmgate/crmgate/proxy/revoke"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// The number of people on a page, and of sessions that one request ends.
const (
	peoplePage = 50
	endAtOnce  = 500
)

// PeoplePage is a page of the account's people on a platform.
type PeoplePage struct {
	People []operator.Entry
	Total  int
	// Next is the last person on the page; zero on the last page.
	Next crmgate.UserKey
}

// People returns a page of the account's people on a platform, in the order of their ids and hosts: those after a person, who
// need not exist. A sign-in of the last seconds may be missing.
func (a *Admin) People(ctx context.Context, after crmgate.UserKey) (PeoplePage, error) {
	p := after.Platform
	if _, err := a.o.Connectors.Connectable(ctx, p); err != nil {
		return PeoplePage{}, err
	}
	all, err := a.members(ctx, p)
	if err != nil {
		return PeoplePage{}, err
	}
	page := PeoplePage{Total: len(all)}
	first := sort.Search(len(all), func(i int) bool { return all[i].compare(after) > 0 })
	some := all[first:min(first+peoplePage, len(all))]
	for _, m := range some {
		e, err := a.Person(ctx, m.key)
		if errors.Is(err, crmgate.ErrNotFound) {
			continue
		}
		if err != nil {
			return page, err
		}
		page.People = append(page.People, e)
	}
	if first+len(some) < len(all) {
		page.Next = some[len(some)-1].key
	}
	return page, nil
}

// Person returns one of the account's people. A person of another account is a Refusal that matches crmgate.ErrNotFound,
// like a person who does not exist.
func (a *Admin) Person(ctx context.Context, key crmgate.UserKey) (operator.Entry, error) {
	e, err := operator.Directory{DB: a.o.DB}.Entry(ctx, key)
	if errors.Is(err, crmgate.ErrNotFound) || err == nil && e.Account != a.who.Account {
		return operator.Entry{}, &crmgate.Refusal{Kind: crmgate.Missing, Message: "This person is not connected.", Err: crmgate.ErrNotFound}
	}
	return e, err
}

// Connected returns how many of the account's people are connected to a platform.
func (a *Admin) Connected(ctx context.Context, p crmgate.Platform) (int, error) {
	return a.count(ctx, p, func(m member) bool { return m.granted })
}

// SignedInByApp returns how many people hold grants of the organisation's confirmed application. They must sign in again
// when it is replaced or removed.
func (a *Admin) SignedInByApp(ctx context.Context, p crmgate.Platform) (int, error) {
	apps, err := a.o.DB.Applications(ctx, a.who.Account, p)
	if err != nil || apps.Confirmed == nil {
		return 0, err
	}
	return a.count(ctx, p, func(m member) bool { return m.app && m.generation == apps.Confirmed.Generation })
}

func (a *Admin) count(ctx context.Context, p crmgate.Platform, is func(member) bool) (n int, err error) {
	all, err := a.members(ctx, p)
	for _, m := range all {
		if is(m) {
			n++
		}
	}
	return n, err
}

// members returns the account's people on a platform, in the order of their ids and hosts. It reads the first endAtOnce
// again, so that the numbers on the pages agree with the lists beside them, which show people as they are now.
func (a *Admin) members(ctx context.Context, p crmgate.Platform) ([]member, error) {
	cached, err := a.o.roster.members(ctx, a.o, a.who.Account, p)
	if err != nil {
		return nil, err
	}
	again := min(len(cached), endAtOnce)
	now := make([]member, 0, len(cached))
	for _, m := range cached[:again] {
		who, err := a.o.DB.Person(ctx, m.key)
		switch {
		case errors.Is(err, crmgate.ErrNotFound):
		case err != nil:
			return nil, err
		case who.User.Account == a.who.Account:
			now = append(now, memberOf(who))
		}
	}
	return append(now, cached[again:]...), nil
}

// EndSession logs one of the account's people out, and revokes the grant at the CRM.
func (a *Admin) EndSession(ctx context.Context, key crmgate.UserKey) (revoke.Result, error) {
	v, err := a.endSession(ctx, key)
	if err != nil {
		return "", err
	}
	result, _ := a.o.Revocations.Attempt(ctx, v)
	return result, nil
}

func (a *Admin) endSession(ctx context.Context, key crmgate.UserKey) (storage.Revocation, error) {
	if _, err := a.Person(ctx, key); err != nil {
		return storage.Revocation{}, err
	}
	crmgate.TraceOf(ctx).SetPerson(key)
	v, err := a.o.DB.EndSession(ctx, key, storage.LogEvent(a.event(audit.EventLogout)))
	if err == nil {
		a.o.Count("logout", key.Platform, "ok")
	}
	return v, err
}

// EndSessions logs up to endAtOnce of the account's people out of a platform. It returns how many it logged out, and how
// many are left. The queue revokes their grants within minutes.
func (a *Admin) EndSessions(ctx context.Context, p crmgate.Platform) (ended, left int, err error) {
	all, err := a.members(ctx, p)
	if err != nil {
		return 0, 0, err
	}
	defer a.o.Revocations.Changed()
	for _, m := range all {
		if s, err := a.o.DB.Session(ctx, m.key); err == nil && s.Ended {
			continue
		}
		if ended == endAtOnce {
			left++
			continue
		}
		if _, err := a.endSession(ctx, m.key); err != nil && !errors.Is(err, crmgate.ErrNotFound) {
			return ended, left, err
		}
		ended++
	}
	return ended, left, nil
}
