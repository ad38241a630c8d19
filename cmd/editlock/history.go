package main

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/editlock/editlock/wire"
)

type historyCmd struct {
	remote
	Resource string        `arg:"" help:"Whose history."`
	Since    time.Duration `help:"Only of the last so long, as 24h. Without it, all that is kept." placeholder:"DURATION"`
	JSON     bool          `help:"One JSON object a line, for machines." name:"json"`
}

func (historyCmd) Help() string {
	return "Says who held a resource, and why it ended, oldest first.\n\n" + exitCodes
}

func (c *historyCmd) Run(ctx context.Context) error {
	if c.Since < 0 {
		return &exit{exitUsage, errors.New("--since must not be below 0: write 24h for the last day")}
	}
	list := newListing(os.Stdout, c.JSON)
	query := url.Values{"limit": {"500"}}
	if c.Since > 0 {
		query.Set("since", time.Now().Add(-c.Since).UTC().Format(time.RFC3339Nano))
	}
	for {
		var part wire.HistoryList
		if err := c.call(ctx, http.MethodGet, "/v1/history/"+pathOf(c.Resource)+"?"+query.Encode(), nil, &part); err != nil {
			return list.cut(err)
		}
		for i := range part.Entries {
			e := &part.Entries[i]
			if err := list.row([]string{"WHEN", "WHAT"}, e, list.when(e.At), told(e)); err != nil {
				return err
			}
		}
		if part.Cursor == "" {
			return list.end("Nothing is known of it.")
		}
		query.Set("cursor", part.Cursor)
		query.Del("since")
	}
}

// told is one change of holder, for people.
func told(e *wire.HistoryEntry) string {
	var parts []string
	if h := e.Ended; h != nil {
		text := person(h.User, h.Name) + ": " + strings.ReplaceAll(h.Reason, "_", " ")
		if h.By != nil {
			text += " by " + person(h.By.ID, h.By.Name)
		}
		if !h.At.IsZero() {
			text += " after " + lasting(h.At.Sub(h.Since))
		}
		if h.Text != "" {
			text += `, "` + h.Text + `"`
		}
		parts = append(parts, text)
	}
	if h := e.Granted; h != nil {
		parts = append(parts, person(h.User, h.Name)+" holds")
	}
	return strings.Join(parts, "; ")
}
