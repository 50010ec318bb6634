// Package stray is in no room.
package stray
