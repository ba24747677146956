package connector

import (
	"encoding/json"
	"fmt"

	"github.com/crmgate/crmgate"
)

// maxInfo is the maximum size of a user's additional info, because a connector may keep adding members.
const maxInfo = 64 << 10

// MergeInfo returns the JSON object old with the members of over replaced or added. Either may be empty. If over is not an
// object, or the result is too large, the error is a Refusal.
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
		return nil, crmgate.Refuse("the connector's additional info has %d bytes: expected at most %d", len(merged), maxInfo)
	}
	return merged, err
}
