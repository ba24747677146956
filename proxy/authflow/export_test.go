package authflow

import (
	"context"

	"github.com/crmgate/crmgate"
)

// What ReadCallback makes of a callback, for the table of shapes.
type ReadCallbackResult struct {
	Platform                    crmgate.Platform
	Hostname, State, Code, Bare string
	Agent                       bool
}

func ReadCallback(r CallbackRequest, redirectURI string) (ReadCallbackResult, error) {
	cb, err := readCallback(r, "https://gate.example")
	if err != nil {
		return ReadCallbackResult{}, err
	}
	code, err := cb.code(redirectURI)
	return ReadCallbackResult{cb.platform, cb.hostname, cb.state, code.Reveal(), cb.withoutCode, cb.agent}, err
}

var (
	AuthURL = authURL
	CheckID = checkID
)

// BoundState is what a test may know of a state.
type BoundState struct {
	Platform crmgate.Platform
	Account  crmgate.AccountID
	Hostname string
}

// BindState makes a state parameter.
func (f *Flows) BindState(ctx context.Context, s BoundState, short bool) (param string, err error) {
	param, _, err = f.states.bind(ctx, state{Platform: s.Platform, Account: s.Account, Hostname: s.Hostname}, short)
	return param, err
}

// OpenState opens a state parameter.
func (f *Flows) OpenState(ctx context.Context, param string) (BoundState, error) {
	s, err := f.states.open(ctx, param)
	return BoundState{s.Platform, s.Account, s.Hostname}, err
}

// MaxWaiters is how many polls may wait.
const MaxWaiters = maxWaiters

// Waiters are the polls that wait.
type Waiters = waiters

var NewWaiters = newWaiters

func (w *waiters) Join(id string) (<-chan struct{}, func(), error) { return w.join(id) }
func (w *waiters) Wake(id string)                                  { w.wake(id) }
func (w *waiters) Count() int                                      { return w.count() }
