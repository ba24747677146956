package storage

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage/sealed"
)

// tooMany is that a limit is reached.
type tooMany struct{ limit int }

func (t tooMany) Error() string {
	return fmt.Sprintf("%d records of this kind are outstanding, which is the limit", t.limit)
}

func (t tooMany) Is(target error) bool { return target == crmgate.ErrTransient }

// takeSlot lets a record that strangers can have made be stored, or says that there are too many.
//
// The limit is kept by a ring of that many slots, taken in turn, each of which is occupied for as long as the record
// that took it: nothing is counted and nothing scanned. With one ttl for all, the slot whose turn it is is the first
// to come free. With several, a record may be refused while a later slot is free, and the limit is never exceeded.
func (r records) takeSlot(cursor, slot sealed.Kind, ttl time.Duration, limit int) error {
	n, err := r.Number(cursor, sealed.Prefix(cursor)) // how many were ever taken
	if err != nil {
		return err
	}
	key := binary.BigEndian.AppendUint64(sealed.Prefix(slot), n%uint64(max(limit, 1)))
	taken, err := r.Has(slot, key)
	if err != nil {
		return err
	}
	if taken || limit < 1 {
		return tooMany{limit}
	}
	return errors.Join(r.SetNumber(cursor, sealed.Prefix(cursor), n+1), r.Set(slot, key, nil, ttl))
}
