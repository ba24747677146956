package audit

import "time"

// LimitHours changes how many entries are remembered whose repeats are counted.
func (l *Log) LimitHours(n int) { l.w.maxHours = n }

// Exported for tests and fuzzing: each decodes a payload and encodes it again.
var (
	EntryAgain = func(b []byte) ([]byte, error) {
		e, err := decodeEntry(b)
		return e.encode(), err
	}
	BatchAgain = func(b []byte) ([]byte, error) {
		made, err := decodeBatch(b)
		return made.encode(), err
	}
	NodeAgain = func(b []byte) ([]byte, error) {
		n, err := decodeNode(b)
		return n.encode(), err
	}
)

// Payloads returns an entry, a batch and a node.
func Payloads() (entryPayload, batchPayload, nodePayload []byte) {
	e := entry{At: time.UnixMilli(1), Kind: EventSignIn, Platform: "clio", User: Hash{1}, Request: "r-1", Admin: "101"}.encode()
	b := makeBatch(nodeID{1}, 7, Hash{2}, []uint64{3, 4, 9}, [][]byte{e, e, e})
	return e, b.encode(), node{Started: time.UnixMilli(1), Batches: 3, From: 1, Closed: true}.encode()
}
