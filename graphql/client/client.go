// Package client asks the analytics API what programs of ours want to know of it. It is
// plain HTTP and JSON, as any other client's would be.
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

const (
	pageSize    = 1000     // rows asked for at once
	maxResponse = 32 << 20 // bytes read of a response
	timeout     = 60 * time.Second
)

// Client asks one endpoint.
type Client struct {
	url  string
	http *http.Client
}

// New makes a client of an endpoint, such as http://127.0.0.1:8080/graphql.
func New(url string) *Client {
	return &Client{url, &http.Client{Timeout: timeout}}
}

// Account is what the contracts keep of an address, and what went through its hands.
// Amounts are decimal numbers of nRLC.
type Account struct {
	Chain     uint64 `json:"chain"`
	Address   string `json:"address"` // lower-case hexadecimal with 0x
	Stake     string `json:"stake"`
	Locked    string `json:"locked"`
	Score     string `json:"score"` // decimal number
	Earned    string `json:"earned"`
	Seized    string `json:"seized"`
	Spent     string `json:"spent"`
	Deposited string `json:"deposited"`
	Withdrawn string `json:"withdrawn"`
}

// VerdictCount is how many verdicts have an outcome and a reason.
type VerdictCount struct {
	Outcome string `json:"outcome"` // ACCEPTED or REJECTED
	Reason  string `json:"reason"`  // assaypb.Reason without its prefix
	Count   uint64 `json:"count"`
}

// BucketSum is what the postings of a bucket add up to.
type BucketSum struct {
	Bucket string `json:"bucket"` // STAKE, LOCKED, KITTY, PLEDGED or OUTSIDE
	Sum    string `json:"sum"`    // decimal number of nRLC, negative for what is owed or outside
	Count  uint64 `json:"count"`
}

// ChainMeta is how far a chain is indexed.
type ChainMeta struct {
	Chain           uint64    `json:"chain"`
	HeadNumber      uint64    `json:"headNumber"`
	HeadHash        string    `json:"headHash"`
	HeadTime        time.Time `json:"headTime"`
	FinalizedNumber uint64    `json:"finalizedNumber"`
	FinalizedHash   string    `json:"finalizedHash"` // empty: none is known yet
}

// Accounts returns all accounts of a chain in order of their addresses, read page by page.
func (c *Client) Accounts(ctx context.Context, chain uint64) ([]Account, error) {
	const query = `query($chain: Uint64, $first: Int!, $after: Cursor) {
		accounts(filter: {chain: $chain}, first: $first, after: $after) {
			nodes { chain address stake locked score earned seized spent deposited withdrawn }
			pageInfo { hasNextPage endCursor }
		}
	}`
	var all []Account
	var after *string
	for {
		var answer struct {
			Accounts struct {
				Nodes    []Account
				PageInfo struct {
					HasNextPage bool
					EndCursor   *string
				}
			}
		}
		if err := c.ask(ctx, query, map[string]any{"chain": chain, "first": pageSize, "after": after}, &answer); err != nil {
			return nil, fmt.Errorf("reading the accounts of chain %d: %w", chain, err)
		}
		all = append(all, answer.Accounts.Nodes...)
		after = answer.Accounts.PageInfo.EndCursor
		if !answer.Accounts.PageInfo.HasNextPage || after == nil {
			return all, nil
		}
	}
}

// TaskCounts returns how many tasks of a chain are in each status. A status without tasks
// is left out.
func (c *Client) TaskCounts(ctx context.Context, chain uint64) (map[string]uint64, error) {
	const query = `query($chain: Uint64) { taskCounts(filter: {chain: $chain}) { status count } }`
	var answer struct {
		TaskCounts []struct {
			Status string
			Count  uint64
		}
	}
	if err := c.ask(ctx, query, map[string]any{"chain": chain}, &answer); err != nil {
		return nil, fmt.Errorf("counting the tasks of chain %d: %w", chain, err)
	}
	counts := make(map[string]uint64)
	for _, count := range answer.TaskCounts {
		counts[count.Status] = count.Count
	}
	return counts, nil
}

// VerdictCounts returns how many verdicts of a chain there are of each outcome and
// reason, in order of both. Those without verdicts are left out.
func (c *Client) VerdictCounts(ctx context.Context, chain uint64) ([]VerdictCount, error) {
	const query = `query($chain: Uint64) { verdictCounts(filter: {chain: $chain}) { outcome reason count } }`
	var answer struct{ VerdictCounts []VerdictCount }
	if err := c.ask(ctx, query, map[string]any{"chain": chain}, &answer); err != nil {
		return nil, fmt.Errorf("counting the verdicts of chain %d: %w", chain, err)
	}
	return answer.VerdictCounts, nil
}

// BucketSums returns what the postings of a chain add up to, in order of the buckets.
func (c *Client) BucketSums(ctx context.Context, chain uint64) ([]BucketSum, error) {
	const query = `query($chain: Uint64) { bucketSums(filter: {chain: $chain}) { bucket sum count } }`
	var answer struct{ BucketSums []BucketSum }
	if err := c.ask(ctx, query, map[string]any{"chain": chain}, &answer); err != nil {
		return nil, fmt.Errorf("adding up the postings of chain %d: %w", chain, err)
	}
	return answer.BucketSums, nil
}

// Meta returns how far each chain is indexed, by chain id.
func (c *Client) Meta(ctx context.Context) ([]ChainMeta, error) {
	const query = `{ meta { chains { chain headNumber headHash headTime finalizedNumber finalizedHash } } }`
	var answer struct{ Meta struct{ Chains []ChainMeta } }
	if err := c.ask(ctx, query, nil, &answer); err != nil {
		return nil, fmt.Errorf("reading how far the chains are indexed: %w", err)
	}
	return answer.Meta.Chains, nil
}

// ask sends a query and reads its data into answer.
func (c *Client) ask(ctx context.Context, query string, variables map[string]any, answer any) error {
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(io.LimitReader(response.Body, maxResponse+1))
	if err != nil {
		return err
	}
	if len(text) > maxResponse {
		return fmt.Errorf("%s answers with more than %d bytes", c.url, maxResponse)
	}
	return parse(text, response.Status, answer)
}

// parse reads a GraphQL response. Data beside errors is not complete, and counts as none.
func parse(text []byte, status string, answer any) error {
	var response struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
	}
	if err := json.Unmarshal(text, &response); err != nil {
		return fmt.Errorf("the answer, %s, is not GraphQL: %w", status, err)
	}
	if len(response.Errors) > 0 {
		return errors.New(response.Errors[0].Message)
	}
	if len(response.Data) == 0 {
		return fmt.Errorf("the answer, %s, has no data", status)
	}
	return json.Unmarshal(response.Data, answer)
}
