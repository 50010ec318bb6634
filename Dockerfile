# Every role of Assay from one build. The program needs glibc but no shell, no ClickHouse
# engine and, but for deploying the contracts, no npm package.

FROM golang:1.26-bookworm AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/assay ./cmd/assay && mkdir /out/chain /out/state

FROM node:22-bookworm-slim AS packages
WORKDIR /packages
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=optional

FROM gcr.io/distroless/base-debian12:nonroot AS assay
COPY --from=build /out/assay /assay
# A new volume mounted at either belongs to the same user.
COPY --from=build --chown=nonroot:nonroot /out/chain /chain
COPY --from=build --chown=nonroot:nonroot /out/state /state
USER nonroot
ENTRYPOINT ["/assay"]

# The same with the compiled PoCo contracts, for a chain that has none.
FROM assay AS deploy
COPY --from=packages /packages/node_modules /node_modules
