package storage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/sealed"
)

// ConnectorVersion is a connector as it was accepted.
type ConnectorVersion struct {
	Module       string    `json:"module"`       // the hash of the module
	Capabilities []string  `json:"capabilities"` // what it may reach and see: manifest.Capabilities
	Since        time.Time `json:"since"`        // when it was accepted; set by the store
}

// AcceptedConnector is the version of a platform's connector that was accepted last, and the one before; nil if there was none.
type AcceptedConnector struct {
	ConnectorVersion
	Before *ConnectorVersion `json:"before,omitempty"`
}

// Acceptance is the result of AcceptConnector.
type Acceptance struct {
	First bool     // nothing was recorded before
	More  []string // what the version may do that the recorded one may not. If it is not accepted, nothing was recorded
}

// AcceptConnector records a version of a platform's connector. A version that may do more than the recorded one is recorded only if
// more is set; others may do less, and that is recorded too. Several nodes may call it at once.
//
// If the record cannot be read, the error is sealed.Lost, unless more is set: then the version takes its place. more leaves an entry in
// the audit log.
//
// Platforms whose names differ only in case share a record, because they share their configuration: CLIO_CLIENT_SECRET is also that of a
// new platform "CLIO".
func (db *DB) AcceptConnector(ctx context.Context, p crmgate.Platform, v ConnectorVersion, more bool) (a Acceptance, err error) {
	var events []audit.Event
	if more {
		events = []audit.Event{{Kind: audit.EventCapabilities, By: audit.ByOperator, Outcome: audit.OutcomeOK, Platform: p}}
	}
	err = db.change(ctx, []With{LogEvent(events...)}, func(r records) (about audit.Subject, err error) {
		a, err = r.acceptConnector(p, v, more)
		return about, err
	})
	if err != nil {
		return Acceptance{}, fmt.Errorf("record what the connector of %s may do: %w", p, err)
	}
	return a, nil
}

func (r records) acceptConnector(p crmgate.Platform, v ConnectorVersion, more bool) (a Acceptance, err error) {
	was, err := r.acceptedConnector(p)
	switch {
	case errors.Is(err, crmgate.ErrNotFound), more && sealed.Lost(err):
		a.First = true
		return a, r.setAcceptedConnector(p, AcceptedConnector{ConnectorVersion: v})
	case err != nil:
		return a, err
	case was.Module == v.Module && slices.Equal(was.Capabilities, v.Capabilities):
		return a, nil
	}
	a.More = slices.DeleteFunc(slices.Clone(v.Capabilities), func(c string) bool { return slices.Contains(was.Capabilities, c) })
	if len(a.More) > 0 && !more {
		return a, nil
	}
	return a, r.setAcceptedConnector(p, AcceptedConnector{v, &was.ConnectorVersion})
}

// AcceptedConnector returns the recorded version of a platform's connector; crmgate.ErrNotFound if there is none.
func (db *DB) AcceptedConnector(ctx context.Context, p crmgate.Platform) (a AcceptedConnector, err error) {
	err = db.view(ctx, func(r records) (err error) {
		a, err = r.acceptedConnector(p)
		return err
	})
	if err != nil {
		return AcceptedConnector{}, fmt.Errorf("read what the connector of %s may do: %w", p, err)
	}
	return a, nil
}

func (r records) acceptedConnector(p crmgate.Platform) (a AcceptedConnector, err error) {
	found, err := r.getJSON(accepted, r.db.keys.accepted(p), &a)
	if err == nil && !found {
		err = crmgate.ErrNotFound
	}
	return a, err
}

func (r records) setAcceptedConnector(p crmgate.Platform, a AcceptedConnector) error {
	a.Since = r.Now.UTC()
	b, err := json.Marshal(a)
	if err != nil {
		return err
	}
	return r.Set(accepted, r.db.keys.accepted(p), b, 0)
}
