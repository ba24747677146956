package connector

import (
	"encoding/json"
	"fmt"

	"github.com/crmgate/crmgate"
)

// maxInfo bounds a user's additional info, which grows with what a connector keeps adding.
const maxInfo = 64 << 10

// MergeInfo lays one JSON object of additional info over another, member by member. Either may be empty. An answer that
// is not an object, or a result that is too large, is a Refusal.
func MergeInfo(old, over json.RawMessage) (json.RawMessage, error) {
	if len(over) == 0 {
		return old, nil
	}
	all := map[string]json.RawMessage{}
	if len(old) > 0 {
		if err := json.Unmarshal(old, &all); err != nil {
			return nil, fmt.Errorf("stored additional info: %w", err)
		}
	}
	if err := json.Unmarshal(over, &all); err != nil || all == nil { // null
		return nil, crmgate.Refuse("the connector's additional info is not a JSON object")
	}
	merged, err := json.Marshal(all)
	if len(merged) > maxInfo {
		return nil, crmgate.Refuse("the connector's additional info is larger than %d bytes", maxInfo)
	}
	return merged, err
}
