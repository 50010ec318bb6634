package cli

import (
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/spf13/cobra"
)

// healthCommand is what a container's health check runs: images hold no curl.
func healthCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "health URL",
		Short:   "Ask a role whether it is well: exit 0 if the URL answers 200",
		Example: "  assay health http://127.0.0.1:9100/readyz",
		Args:    cobra.ExactArgs(1),
		RunE: func(command *cobra.Command, arguments []string) error {
			request, err := http.NewRequestWithContext(command.Context(), http.MethodGet, arguments[0], nil)
			if err != nil {
				return &exitError{exitUsage, err}
			}
			client := http.Client{Timeout: 5 * time.Second}
			answer, err := client.Do(request)
			if err != nil {
				return err
			}
			defer answer.Body.Close() //nolint:errcheck // it was read
			body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<10))
			if err != nil {
				return err
			}
			if answer.StatusCode != http.StatusOK {
				return fmt.Errorf("%s: %s: %s", arguments[0], answer.Status, body)
			}
			return nil
		},
	}
}
