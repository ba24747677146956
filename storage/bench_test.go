package storage_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crmgate/crmgate"
	"github.com/crmgate/crmgate/storage"
	"github.com/crmgate/crmgate/storage/audit"
	"github.com/crmgate/crmgate/storage/storetest"
)

// BenchmarkSession is the read of a session check, for a person of the connector's own app.
func BenchmarkSession(b *testing.B) {
	s := storetest.New(b, b.TempDir())
	for i := range 1000 {
		_, err := s.SignIn(b.Context(), crmgate.UserKey{Platform: "clio", ID: crmgate.UserID(fmt.Sprint(i))}, keep)
		storetest.Must(b, err)
	}
	keys := make([]crmgate.UserKey, 1000)
	for i := range keys {
		keys[i] = crmgate.UserKey{Platform: "clio", ID: crmgate.UserID(fmt.Sprint(i))}
	}
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := s.Session(b.Context(), keys[i%len(keys)]); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpdate64Writers reports durable writes per second, and durable writes in the time of one bare fsync.
func BenchmarkUpdate64Writers(b *testing.B) {
	dir := b.TempDir()
	e := storetest.Engine(b, filepath.Join(dir, "store"))
	fsync := bareFsync(b, dir)
	value := make([]byte, 200)
	b.ResetTimer()
	var n atomic.Int64
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
				key := fmt.Appendf(nil, "%09d", i)
				if err := e.Update(b.Context(), func(tx storage.Tx) error { return tx.Set(key, value, 0) }); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	perWrite := b.Elapsed() / time.Duration(b.N)
	b.ReportMetric(float64(time.Second/max(perWrite, 1)), "writes/s")
	b.ReportMetric(float64(time.Second/fsync), "fsyncs/s")
	b.ReportMetric(float64(fsync)/float64(max(perWrite, 1)), "writes/fsync")
}

// bareFsync is the time in which the disk makes one small append durable.
func bareFsync(b *testing.B, dir string) time.Duration {
	f, err := os.Create(filepath.Join(dir, "fsync"))
	storetest.Must(b, err)
	defer f.Close()
	const rounds = 100
	start := time.Now()
	for range rounds {
		_, err := f.Write(make([]byte, 200))
		storetest.Must(b, err)
		storetest.Must(b, f.Sync())
	}
	return time.Since(start) / rounds
}

// BenchmarkSignIn is one of 64 concurrent sign-ins, with and without an entry in the audit log. The keeper seals meanwhile.
func BenchmarkSignIn(b *testing.B) {
	for name, events := range map[string][]storage.With{"recorded": {signedIn}, "bare": nil} {
		b.Run(name, func(b *testing.B) {
			s := storetest.New(b, filepath.Join(b.TempDir(), "store"))
			k, err := s.Audit().Keep(b.Context(), audit.KeepConfig{Alone: true, Logger: slog.New(slog.DiscardHandler)})
			storetest.Must(b, err)
			b.Cleanup(func() { storetest.Must(b, k.Close()) })
			b.ReportAllocs()
			b.ResetTimer()
			var n atomic.Int64
			var group sync.WaitGroup
			for range 64 {
				group.Go(func() {
					for i := n.Add(1); i <= int64(b.N); i = n.Add(1) {
						if _, err := s.SignIn(b.Context(), crmgate.UserKey{Platform: "clio", ID: crmgate.UserID(fmt.Sprint(i))}, keep, events...); err != nil {
							b.Error(err)
						}
					}
				})
			}
			group.Wait()
		})
	}
}
