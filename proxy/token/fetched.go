package token

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
)

// fetched keeps what the CRM answers to a connector that refreshes by itself. If the connector does not come to its end, the next
// refresh with the same refresh token gives it these answers, and does not ask the CRM again: a CRM that rotates refresh tokens would
// refuse, or end the grant.
//
// It implements connector.Fetches for one refresh.
type fetched struct {
	db     storage.Pending
	id     string // empty without a refresh token: nothing is kept
	now    func() time.Time
	logger *slog.Logger
	record fetchedRecord
	used   bool // an answer was given
}

// fetchedRecord is the record in the store.
type fetchedRecord struct {
	At      time.Time       `json:"at"`    // when the first answer came
	Fails   int             `json:"fails"` // how many runs have used an answer and failed
	Answers []fetchedAnswer `json:"answers"`
}

type fetchedAnswer struct {
	N       int    `json:"n"`
	Request string `json:"request"`
	Answer  string `json:"answer"`
}

const (
	// fetchedLife is how long answers are kept, like token answers.
	fetchedLife = 7 * 24 * time.Hour
	// maxFetched is the longest answer that is kept, in bytes. Answers with tokens are much shorter.
	maxFetched = 64 << 10
	// maxFails is how often answers are given to a connector that fails all the same.
	maxFails = 10
)

// fetches returns what is kept for the refresh of a person's grant.
func (a attempt) fetches(ctx context.Context) (*fetched, error) {
	f := &fetched{db: a.engine.DB.Fetched(), now: a.engine.Now, logger: a.engine.Logger}
	if a.was.Grant.RefreshToken.IsZero() {
		return f, nil
	}
	f.id = storage.FetchedID(a.was.User.Key, a.was.Grant.RefreshToken)
	b, err := f.db.Get(ctx, f.id)
	if errors.Is(err, crmgate.ErrNotFound) {
		return f, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &f.record)
	}
	return f, err
}

// Earlier is connector.Fetches.Earlier.
func (f *fetched) Earlier(n int, request string) (crmgate.Secret, bool) {
	for _, a := range f.record.Answers {
		if a.N == n && a.Request == request {
			f.used = true
			return crmgate.NewSecret(a.Answer), true
		}
	}
	return crmgate.Secret{}, false
}

// Keep is connector.Fetches.Keep. It keeps answers that name a token, even if the request's context has ended. Other answers may be
// errors with status 200, which must not be repeated.
func (f *fetched) Keep(ctx context.Context, n int, request string, answer crmgate.Secret) bool {
	var d struct {
		Body       string
		BodyBase64 []byte
	}
	if f.id == "" || len(answer.Reveal()) > maxFetched || json.Unmarshal([]byte(answer.Reveal()), &d) != nil ||
		!namesToken.MatchString(d.Body) && !namesToken.Match(d.BodyBase64) {
		return false
	}
	if len(f.record.Answers) == 0 {
		f.record.At = f.now()
	}
	f.record.Answers = append(f.record.Answers, fetchedAnswer{n, request, answer.Reveal()})
	return f.write(ctx)
}

// issued returns when the tokens of this refresh were issued.
func (f *fetched) issued() time.Time {
	if f.used {
		return f.record.At
	}
	return f.now()
}

// failed says that the connector has come to its end with an error. If that is final, or if the answers have not helped often, they
// are dropped.
func (f *fetched) failed(ctx context.Context, final bool) {
	if !f.used {
		return
	}
	if f.record.Fails++; final || f.record.Fails >= maxFails {
		f.record = fetchedRecord{}
	}
	f.write(ctx)
}

func (f *fetched) write(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	b, err := json.Marshal(f.record)
	if err == nil {
		err = f.db.Update(ctx, f.id, fetchedLife, func([]byte) ([]byte, error) { return b, nil })
	}
	if err != nil { // the refresh goes on: the grant itself may still be stored
		f.logger.ErrorContext(ctx, "could not keep what a connector fetched", "err", err)
	}
	return err == nil
}
