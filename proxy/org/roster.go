package org

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// roster caches which people of which account are connected to a platform, for the pages of admins.
//
// To find the people of one account, the roster must read all people of the platform. One reader at a time therefore reads
// for all accounts, and the result is kept for twenty times as long as the reading took: clicks cannot overload the server.
type roster struct {
	turn chan struct{}                  // has an element while a goroutine uses of
	of   map[crmgate.Platform]*register // guarded by turn
}

type register struct {
	until  time.Time
	people map[crmgate.AccountID][]member // by id and host
}

// member is a person of an account.
type member struct {
	key crmgate.UserKey
	// app says that the organisation's application of this generation issued the grant.
	app        bool
	generation uint64
	granted    bool // there is a grant
}

func memberOf(p crmgate.Person) member {
	granted := !p.Grant.Empty()
	return member{p.User.Key, granted && p.Grant.App.Account == p.User.Account, p.Grant.App.Generation, granted}
}

// compare orders members of one platform.
func (m member) compare(key crmgate.UserKey) int {
	return cmp.Or(cmp.Compare(m.key.ID, key.ID), cmp.Compare(m.key.Hostname, key.Hostname))
}

const (
	rosterLife  = 10 * time.Second
	rosterShare = 20
)

func newRoster() *roster {
	return &roster{turn: make(chan struct{}, 1), of: map[crmgate.Platform]*register{}}
}

// members returns an account's people on a platform, in the order of their ids and hosts. Changes of the last seconds may be missing.
func (r *roster) members(ctx context.Context, o *Orgs, account crmgate.AccountID, p crmgate.Platform) ([]member, error) {
	select {
	case r.turn <- struct{}{}:
		defer func() { <-r.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	for p, reg := range r.of {
		if o.Now().After(reg.until) {
			delete(r.of, p)
		}
	}
	if r.of[p] == nil {
		began := time.Now()
		people, err := readPeople(ctx, o.DB, p)
		if err != nil {
			return nil, err
		}
		r.of[p] = &register{o.Now().Add(max(rosterLife, rosterShare*time.Since(began))), people}
	}
	return r.of[p].people[account], nil
}

func readPeople(ctx context.Context, db *storage.DB, p crmgate.Platform) (map[crmgate.AccountID][]member, error) {
	people := map[crmgate.AccountID][]member{}
	err := db.PeopleOn(ctx, p, func(who crmgate.Person) error {
		if a := who.User.Account; a != "" {
			people[a] = append(people[a], memberOf(who))
		}
		return nil
	})
	for _, m := range people {
		slices.SortFunc(m, func(a, b member) int { return a.compare(b.key) })
	}
	return people, err
}
