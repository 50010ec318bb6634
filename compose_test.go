package assay

import (
	"context"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// loadCompose reads docker-compose.yml as docker compose does: against the schema of the
// specification, with its references (services, volumes, secrets) resolved.
func loadCompose(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"docker-compose.yml"}, cli.WithConsistency(true), cli.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		t.Fatalf("docker-compose.yml: %v", err)
	}
	return project
}

func TestComposeServicesAreComplete(t *testing.T) {
	for name, service := range loadCompose(t).Services {
		if service.Image == "" && service.Build == nil {
			t.Errorf("%s has neither an image nor a build", name)
		}
		if service.Build == nil && !pinned(service.Image) {
			t.Errorf("%s: image %s names no version", name, service.Image)
		}
		if once(service) {
			continue
		}
		if service.Restart != types.RestartPolicyUnlessStopped {
			t.Errorf("%s: restart is %q, want %q", name, service.Restart, types.RestartPolicyUnlessStopped)
		}
		if service.HealthCheck == nil || service.HealthCheck.Disable {
			t.Errorf("%s has no health check", name)
		}
	}
}

func TestComposeWaitsForWhatItNeeds(t *testing.T) {
	project := loadCompose(t)
	for name, service := range project.Services {
		for other, dependency := range service.DependsOn {
			want := types.ServiceConditionHealthy
			if once(project.Services[other]) {
				want = types.ServiceConditionCompletedSuccessfully
			}
			if dependency.Condition != want {
				t.Errorf("%s waits for %s to be %s, want %s", name, other, dependency.Condition, want)
			}
		}
	}
}

func TestComposeKeepsAndHidesWhatItShould(t *testing.T) {
	project := loadCompose(t)
	for name, service := range project.Services {
		for _, volume := range service.Volumes {
			if volume.Type == types.VolumeTypeBind {
				if _, err := os.Stat(volume.Source); err != nil {
					t.Errorf("%s mounts what is not there: %v", name, err)
				}
			} else if _, declared := project.Volumes[volume.Source]; !declared {
				t.Errorf("%s: volume %s is not declared, so its data would be lost", name, volume.Source)
			}
		}
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes port %s beyond this machine", name, port.Published)
			}
		}
		for key, value := range service.Environment {
			if secret.MatchString(key) && (value == nil || !strings.HasPrefix(*value, "/run/secrets/")) {
				t.Errorf("%s: %s is to name a file in /run/secrets", name, key)
			}
		}
	}
}

// secret matches the settings that hold a key or a password.
var secret = regexp.MustCompile(`PASSWORD|_KEY`)

// Every secret is one that deploy/make-secrets makes.
func TestComposeSecretsAreMade(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("deploy", "make-secrets"))
	if err != nil {
		t.Fatal(err)
	}
	made := strings.Fields(string(regexp.MustCompile(`(?m)^for name in (.*); do$`).FindSubmatch(script)[1]))
	project := loadCompose(t)
	for name, secret := range project.Secrets {
		if !slices.Contains(made, name) || !strings.HasSuffix(secret.File, filepath.Join("deploy", "secrets", name)) {
			t.Errorf("secret %s (%s) is not made by deploy/make-secrets", name, secret.File)
		}
	}
}

func TestPrometheusWatchesEveryRole(t *testing.T) {
	config, err := os.ReadFile(filepath.Join("deploy", "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range roles(t) {
		if once(service) {
			continue
		}
		health, err := url.Parse(service.HealthCheck.Test[len(service.HealthCheck.Test)-1])
		if err != nil {
			t.Fatal(err)
		}
		if target := `"` + name + ":" + health.Port() + `"`; !strings.Contains(string(config), target) {
			t.Errorf("deploy/prometheus.yml does not scrape %s", target)
		}
	}
}

// roles are the services that run the program.
func roles(t *testing.T) types.Services {
	t.Helper()
	found := types.Services{}
	for name, service := range loadCompose(t).Services {
		if service.Build != nil {
			found[name] = service
		}
	}
	if len(found) == 0 {
		t.Fatal("docker-compose.yml runs no role of Assay")
	}
	return found
}

// once reports whether a service does one thing and ends.
func once(service types.ServiceConfig) bool {
	return service.Restart == types.RestartPolicyNo
}

// pinned reports whether an image names a version with digits in it.
func pinned(image string) bool {
	_, tag, tagged := strings.Cut(image, ":")
	return tagged && strings.ContainsAny(tag, "0123456789")
}
