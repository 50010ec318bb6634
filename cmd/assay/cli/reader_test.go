package cli

import (
	"encoding/xml"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"assay/graphql/analytics"
)

// element is a part of a configuration of ClickHouse.
type element struct {
	XMLName    xml.Name
	Attributes []xml.Attr `xml:",any,attr"`
	Parts      []element  `xml:",any"`
	Text       string     `xml:",chardata"`
}

// at follows a path of names; nil if there is no such part.
func (e *element) at(path ...string) *element {
	for _, name := range path {
		var found *element
		for i := range e.Parts {
			if e.Parts[i].XMLName.Local == name {
				found = &e.Parts[i]
			}
		}
		if found == nil {
			return nil
		}
		e = found
	}
	return e
}

func (e *element) text(path ...string) string {
	if part := e.at(path...); part != nil {
		return strings.TrimSpace(part.Text)
	}
	return ""
}

// The API's user of a ClickHouse server can read the database and nothing else. It cannot
// lift its limits, within which those of the API's statements are.
func TestReaderOnlyReads(t *testing.T) {
	text, err := os.ReadFile("../../../deploy/clickhouse/reader.xml")
	if err != nil {
		t.Fatal(err)
	}
	var config element
	if err := xml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	user := config.at("users", "reader")
	if user == nil || len(config.at("users").Parts) != 1 {
		t.Fatal("there is another user than reader")
	}
	grants := user.at("grants")
	if grants == nil || len(grants.Parts) != 1 || grants.text("query") != "GRANT SELECT ON assay.*" {
		t.Errorf("the grants are %+v", grants)
	}
	for _, more := range []string{"access_management", "named_collection_control", "allow_databases", "default_roles", "no_password"} {
		if user.at(more) != nil {
			t.Errorf("the user has %s", more)
		}
	}
	password := user.at("password")
	if password == nil || strings.TrimSpace(password.Text) != "" || len(password.Attributes) != 1 || password.Attributes[0].Name.Local != "from_env" {
		t.Errorf("the password does not come from the environment: %+v", password)
	}
	profile := config.at("profiles", user.text("profile"))
	if profile == nil || profile.text("readonly") != "2" {
		t.Fatalf("the profile is not for reading only: %+v", profile)
	}
	limits := analytics.DefaultLimits()
	for name, sent := range map[string]uint64{
		"max_execution_time": uint64(limits.Timeout / time.Second), "max_rows_to_read": limits.Rows, "max_memory_usage": limits.Memory, "max_result_bytes": limits.Result,
	} {
		most, err := strconv.ParseUint(profile.text("constraints", name, "max"), 10, 64)
		if err != nil || profile.text(name) != profile.text("constraints", name, "max") || profile.text("constraints", name, "min") != "1" || sent < 1 || sent > most {
			t.Errorf("%s: the profile has %q, at most %d; a statement asks for %d (%v)", name, profile.text(name), most, sent, err)
		}
	}
}
