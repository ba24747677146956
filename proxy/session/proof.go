package session

import (
	"context"
	"errors"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
)

// Prove proves the account of an unproven session with the RingCentral token that came with a request; token may be empty. A
// pending application that issued the grant is then confirmed.
//
// A session that stays unproven is an error only if RequireAccountProof is set: a Refusal of kind Forbidden, or the reason why
// the token could not be verified.
func (ss *Sessions) Prove(ctx context.Context, s Session, token crmgate.Secret) error {
	if !s.Unproven {
		return nil
	}
	proven, err := ss.prove(ctx, s, token)
	switch {
	case proven:
		return nil
	case !ss.RequireAccountProof:
		if err != nil {
			ss.Logger.InfoContext(ctx, "the account of a session is still unproven", "platform", s.Key.Platform, "err", err)
		}
		return nil
	case err != nil:
		return err
	}
	return &crmgate.Refusal{Kind: crmgate.Forbidden, Message: "The RingCentral account of this session is not proven: send a RingCentral access token of the account with this request."}
}

func (ss *Sessions) prove(ctx context.Context, s Session, token crmgate.Secret) (proven bool, err error) {
	if token.IsZero() {
		return false, nil
	}
	who, err := ss.Verify(ctx, token)
	if err != nil {
		return false, err
	}
	p, err := ss.DB.Person(ctx, s.Key)
	if err != nil || who.Account != p.User.Account {
		return false, err
	}
	proof := audit.Event{Kind: audit.EventProof, By: audit.ByPerson, Outcome: audit.OutcomeOK}
	promotion := proof
	promotion.Kind = audit.EventPromotion
	for range 2 { // another proof may promote the application between the two steps
		apps, err := ss.DB.Applications(ctx, who.Account, s.Key.Platform)
		if err != nil {
			return false, err
		}
		entry := p.Grant.App.Entry
		promotes := entry != "" && apps.Pending != nil && apps.Pending.Entry == entry
		events := []audit.Event{proof, promotion}
		if !promotes {
			events = events[:1]
		}
		err = ss.DB.Prove(ctx, s.Key, s.id, who.Account, promotes, storage.LogEvent(events...))
		if errors.Is(err, crmgate.ErrNotFound) { // the session has ended meanwhile, and the request will notice
			return false, nil
		}
		if !errors.Is(err, crmgate.ErrConflict) {
			return err == nil, err
		}
	}
	return false, crmgate.ErrConflict
}
