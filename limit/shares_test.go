package limit_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/limit"
)

func at(address string) limit.Client {
	return limit.Client{Source: crmgate.SourceAt(netip.MustParseAddr(address))}
}

var attacker, honest = at("203.0.113.7"), at("198.51.100.1")

// A client or a host gets no more than its share. A client that is not known gets what is left.
func TestShares(t *testing.T) {
	t.Parallel()
	s := limit.NewShares(limit.Limits{Total: 8, Client: 3, Host: 4})
	take := func(c limit.Claim, want int) (places []limit.Place) {
		t.Helper()
		for {
			place, ok := s.TryAcquire(c)
			if !ok {
				break
			}
			places = append(places, place)
		}
		if len(places) != want {
			t.Errorf("%+v got %d places, want %d", c, len(places), want)
		}
		return places
	}
	first := take(limit.Claim{Client: attacker, Host: "slow.example"}, 3)
	take(limit.Claim{Client: honest, Host: "slow.example"}, 1)
	take(limit.Claim{Client: honest, Host: "good.example"}, 2)
	take(limit.Claim{Client: limit.Client{Account: "1"}}, 2)
	for _, place := range first {
		place.Release()
	}
	take(limit.Claim{}, 3)
	if s.Used() != 8 {
		t.Errorf("%d places are used", s.Used())
	}
}

// Of the requests that wait, that of the client with the fewest places is next.
func TestFewestNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := limit.NewShares(limit.Limits{Total: 4, Client: 3})
		var held []limit.Place
		for _, c := range []limit.Client{attacker, attacker, attacker, at("203.0.113.8")} {
			place, err := s.Acquire(t.Context(), limit.Claim{Client: c})
			if err != nil {
				t.Fatal(err)
			}
			held = append(held, place)
		}
		var mu sync.Mutex
		var order []string
		wait := func(name string, c limit.Client) {
			go func() {
				if _, err := s.Acquire(t.Context(), limit.Claim{Client: c}); err != nil {
					name += ": " + err.Error()
				}
				mu.Lock()
				defer mu.Unlock()
				order = append(order, name)
			}()
			synctest.Wait()
		}
		wait("the attacker's next", attacker)
		wait("the other attacker's next", at("203.0.113.8"))
		wait("an honest client's", honest)
		for _, i := range []int{0, 3, 1} {
			held[i].Release()
			synctest.Wait()
		}
		if want := "[an honest client's the other attacker's next the attacker's next]"; fmt.Sprint(order) != want {
			t.Errorf("got %v, want %s", order, want)
		}
	})
}

// A request that leaves while it waits takes no place. One client cannot fill the queue.
func TestWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := limit.NewShares(limit.Limits{Total: 2, Client: 1})
		place, err := s.Acquire(t.Context(), limit.Claim{Client: attacker})
		if err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithTimeout(t.Context(), time.Second)
		defer leave()
		var busy, left atomic.Int64
		for range 100 {
			go func() {
				switch _, err := s.Acquire(ctx, limit.Claim{Client: attacker}); {
				case !errors.Is(err, limit.ErrBusy) || !errors.Is(err, crmgate.ErrTransient):
					t.Errorf("no place: %v", err)
				case errors.Is(err, context.DeadlineExceeded):
					left.Add(1)
				default:
					busy.Add(1)
				}
			}()
		}
		synctest.Wait()
		other, err := s.Acquire(t.Context(), limit.Claim{Client: honest})
		if err != nil {
			t.Fatal(err)
		}
		other.Release()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if busy.Load() != 36 || left.Load() != 64 {
			t.Errorf("%d were refused at once, and %d gave up", busy.Load(), left.Load())
		}
		place.Release()
		if s.Used() != 0 {
			t.Errorf("%d places are used", s.Used())
		}
	})
}

// However many attackers keep the queue full, an honest client waits for one call to end, and not for theirs.
func TestAttackersKeepTheQueueFull(t *testing.T) {
	t.Parallel()
	const call = 2 * time.Second
	for name, host := range map[string]string{"at one host": "crm.example", "without a host": ""} {
		for _, attackers := range []int{1, 7, 8, 9, 10, 16, 17, 40} {
			t.Run(fmt.Sprintf("%d %s", attackers, name), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := limit.NewShares(limit.Limits{Total: 16, Client: 4, Host: 8, Spare: 8})
					ctx, stop := context.WithCancel(t.Context())
					defer stop()
					for a := range attackers {
						for range 20 {
							go func() {
								for ctx.Err() == nil {
									place, err := s.Acquire(ctx, limit.Claim{Client: at(fmt.Sprintf("203.0.113.%d", a)), Host: host})
									if err != nil {
										return
									}
									time.Sleep(call)
									place.Release()
								}
							}()
						}
					}
					time.Sleep(5*call + call/2)
					for range 3 { // a sign-in has several calls
						began := time.Now()
						place, err := s.Acquire(ctx, limit.Claim{Client: honest, Host: host})
						if err != nil {
							t.Fatal(err)
						}
						if waited := time.Since(began); waited > call {
							t.Errorf("an honest client waits %v", waited)
						}
						time.Sleep(call)
						place.Release()
					}
					stop()
					time.Sleep(2 * call) // until all have ended
				})
			})
		}
	}
}

// An office of 500 people behind one address uses the places that are free.
func TestOffice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := limit.NewShares(limit.Limits{Total: 16, Client: 4, Host: 8, Spare: 8})
		var refused atomic.Int64
		for i := range 500 {
			go func() {
				time.Sleep(30 * time.Second * time.Duration(i) / 500)
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				place, err := s.Acquire(ctx, limit.Claim{Client: honest})
				if err != nil {
					refused.Add(1)
					return
				}
				time.Sleep(400 * time.Millisecond)
				place.Release()
			}()
		}
		time.Sleep(time.Hour)
		if n := refused.Load(); n > 0 {
			t.Errorf("%d of 500 people are refused", n)
		}
	})
}

// Places are not lost or doubled when many clients come, wait and leave at once.
func TestSharesAtOnce(t *testing.T) {
	t.Parallel()
	s := limit.NewShares(limit.Limits{Total: 10, Client: 3, Host: 5})
	var inside atomic.Int64
	var wg sync.WaitGroup
	for i := range 200 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i%20)*time.Millisecond)
			defer cancel()
			place, err := s.Acquire(ctx, limit.Claim{Client: at(fmt.Sprintf("203.0.113.%d", i%7)), Host: fmt.Sprint("h", i%3)})
			if err != nil {
				return
			}
			if n := inside.Add(1); n > 10 {
				t.Errorf("%d hold a place", n)
			}
			time.Sleep(time.Millisecond)
			inside.Add(-1)
			place.Release()
		})
	}
	wg.Wait()
	if s.Used() != 0 {
		t.Errorf("%d places are used", s.Used())
	}
	for range 3 {
		if _, ok := s.TryAcquire(limit.Claim{Client: honest}); !ok {
			t.Error("a place is lost")
		}
	}
}

func BenchmarkShares(b *testing.B) {
	s := limit.NewShares(limit.Limits{Total: 16, Client: 4, Host: 8})
	c := limit.Claim{Client: honest, Host: "crm.example"}
	b.ReportAllocs()
	for b.Loop() {
		place, err := s.Acquire(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		place.Release()
	}
}

// A request that has given its place back while it waited for something else goes before those that have not begun.
func TestBegun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := limit.NewShares(limit.Limits{Total: 1, Client: 1})
		held, err := s.Acquire(t.Context(), limit.Claim{Client: attacker})
		if err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var order []string
		wait := func(name string, acquire func() (limit.Place, error)) {
			go func() {
				place, err := acquire()
				if err != nil {
					t.Error(name, err)
					return
				}
				mu.Lock()
				order = append(order, name)
				mu.Unlock()
				place.Release()
			}()
			synctest.Wait()
		}
		for range 64 { // as many as may wait
			wait("fresh", func() (limit.Place, error) { return s.Acquire(t.Context(), limit.Claim{Client: attacker}) })
		}
		wait("honest", func() (limit.Place, error) { return s.Acquire(t.Context(), limit.Claim{Client: honest}) })
		wait("begun", func() (limit.Place, error) { return s.Acquire(t.Context(), limit.Claim{Client: attacker, Begun: true}) })
		held.Release()
		synctest.Wait()
		if len(order) != 66 || order[0] != "begun" || order[1] != "honest" {
			t.Errorf("the order is %v", order)
		}
		ctx, leave := context.WithCancel(t.Context())
		leave()
		held, _ = s.Acquire(t.Context(), limit.Claim{})
		if _, err := s.Acquire(ctx, limit.Claim{Begun: true}); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		held.Release()
		if s.Used() != 0 {
			t.Errorf("%d places are used", s.Used())
		}
	})
}
