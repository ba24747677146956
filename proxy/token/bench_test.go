package token_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
)

// BenchmarkLive is the cost of Live while the token is fresh, on one processor and on all. Its lower bound is a read of a map
// under a mutex, measured in the same run. The difference is a Badger read and the opening of a sealed record.
func BenchmarkLive(b *testing.B) {
	const people = 1000
	w := newWorld(b, "")
	keys := make([]crmgate.UserKey, people)
	kept := map[crmgate.UserKey]crmgate.Person{}
	for i := range keys {
		keys[i] = crmgate.UserKey{Platform: "practice", ID: crmgate.UserID(fmt.Sprint(i))}
		_, err := w.db.SignIn(b.Context(), keys[i], func(p *crmgate.Person) error {
			p.User.Name = "Ada Lovelace"
			p.Grant = crmgate.Grant{
				AccessToken: crmgate.NewSecret("access"), RefreshToken: crmgate.NewSecret("refresh"), Issued: w.clock.Now(), Expiry: w.clock.Now().Add(time.Hour),
			}
			kept[keys[i]] = *p
			return nil
		})
		must(b, err)
	}
	var mu sync.Mutex
	bare := func(i int) {
		mu.Lock()
		defer mu.Unlock()
		_ = kept[keys[i%people]]
	}
	b.Run("bare map", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			bare(i)
		}
	})
	live := func(b *testing.B, i int) {
		if _, err := w.engine.Live(b.Context(), keys[i%people]); err != nil {
			b.Error(err)
		}
	}
	b.Run("alone", func(b *testing.B) {
		b.ReportAllocs()
		for i := range b.N {
			live(b, i)
		}
	})
	b.Run("together", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				live(b, i)
			}
		})
	})
}
