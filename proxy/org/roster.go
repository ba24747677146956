package org

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// roster remembers for a while whose people are connected to a platform, for the pages of their admins. To find an
// account's, everybody of the platform is read: so that clicks cannot make the server do that all the time, one reads for
// all accounts, one at a time, and what was read is good for twenty times as long as that took.
type roster struct {
	turn chan struct{}                  // holds one who reads or looks
	of   map[crmgate.Platform]*register // whoever has the turn may touch it
}

type register struct {
	until  time.Time
	people map[crmgate.AccountID][]member // by id
}

// member is a person of an account.
type member struct {
	id crmgate.UserID
	// app says that there is a grant of the organisation's own application, of this generation.
	app        bool
	generation uint64
	granted    bool // there is a grant
}

const (
	rosterLife  = 10 * time.Second
	rosterShare = 20
)

func newRoster() *roster {
	return &roster{turn: make(chan struct{}, 1), of: map[crmgate.Platform]*register{}}
}

// members are an account's people on a platform, in the order of their ids. Who came or went a moment ago may be missing,
// or still be there.
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
			g := who.Grant
			people[a] = append(people[a], member{who.User.Key.ID, g.App.Account == a && !g.Empty(), g.App.Generation, !g.Empty()})
		}
		return nil
	})
	for _, m := range people {
		slices.SortFunc(m, func(a, b member) int { return strings.Compare(string(a.id), string(b.id)) })
	}
	return people, err
}
