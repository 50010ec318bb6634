// Package client reads what the demo needs through GraphQL, as any front end would.
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

// Client asks one GraphQL endpoint.
type Client struct {
	url  string
	http http.Client
}

// New returns a client of the endpoint at url.
func New(url string) *Client { return &Client{url: url, http: http.Client{Timeout: 30 * time.Second}} }

// Account is an account as it is indexed; amounts are nRLC in decimal.
type Account struct {
	Address, Stake, Locked, Score, Earned, Spent, Seized, Deposited, Withdrawn string
}

// Meta is how far a chain is indexed.
type Meta struct {
	Chain      uint64
	HeadNumber uint64
}

// VerdictCount is how many verdicts have an outcome and a reason.
type VerdictCount struct {
	Outcome, Reason string
	Count           uint64
}

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 64 << 20

// ask sends a document and decodes the data of the answer.
func (c *Client) ask(ctx context.Context, document string, variables map[string]any, into any) error {
	body, err := json.Marshal(map[string]any{"query": document, "variables": variables})
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
		return fmt.Errorf("asking GraphQL: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return fmt.Errorf("reading GraphQL's answer: %w", err)
	}
	return decode(response.Status, data, into)
}

func decode(status string, data []byte, into any) error {
	answer := struct {
		Data   json.RawMessage
		Errors []struct{ Message string }
	}{}
	if err := json.Unmarshal(data, &answer); err != nil {
		return fmt.Errorf("GraphQL answered %s: %w", status, err)
	}
	if len(answer.Errors) > 0 {
		return fmt.Errorf("GraphQL answered %s: %s", status, answer.Errors[0].Message)
	}
	return json.Unmarshal(answer.Data, into)
}

// Meta says how far a chain is indexed; zero where nothing of it is.
func (c *Client) Meta(ctx context.Context, chain uint64) (Meta, error) {
	var data struct{ Meta struct{ Chains []Meta } }
	if err := c.ask(ctx, `{meta{chains{chain headNumber}}}`, nil, &data); err != nil {
		return Meta{}, err
	}
	for _, found := range data.Meta.Chains {
		if found.Chain == chain {
			return found, nil
		}
	}
	return Meta{Chain: chain}, nil
}

// Accounts reads all accounts, page by page.
func (c *Client) Accounts(ctx context.Context) ([]Account, error) {
	const document = `query($after:Cursor){accounts(first:500,after:$after){
		nodes{address stake locked score earned spent seized deposited withdrawn} pageInfo{hasNextPage endCursor}}}`
	var all []Account
	for after := (*string)(nil); ; {
		var data struct {
			Accounts struct {
				Nodes    []Account
				PageInfo struct {
					HasNextPage bool
					EndCursor   *string
				}
			}
		}
		if err := c.ask(ctx, document, map[string]any{"after": after}, &data); err != nil {
			return nil, err
		}
		all = append(all, data.Accounts.Nodes...)
		if !data.Accounts.PageInfo.HasNextPage {
			return all, nil
		}
		after = data.Accounts.PageInfo.EndCursor
	}
}

// TaskCounts is how many tasks have each status.
func (c *Client) TaskCounts(ctx context.Context) (map[string]uint64, error) {
	var data struct {
		TaskCounts []struct {
			Status string
			Count  uint64
		}
	}
	if err := c.ask(ctx, `{taskCounts{status count}}`, nil, &data); err != nil {
		return nil, err
	}
	counts := make(map[string]uint64)
	for _, found := range data.TaskCounts {
		counts[found.Status] = found.Count
	}
	return counts, nil
}

// VerdictCounts is how many verdicts have each outcome and reason.
func (c *Client) VerdictCounts(ctx context.Context) ([]VerdictCount, error) {
	var data struct{ VerdictCounts []VerdictCount }
	err := c.ask(ctx, `{verdictCounts{outcome reason count}}`, nil, &data)
	return data.VerdictCounts, err
}
