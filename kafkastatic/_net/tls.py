"""Which certificates are trusted: by `ssl_context`, by `ssl_cafile`, or, with neither, as this system does."""

from __future__ import annotations

import ssl

from kafkastatic.config import ConsumerConfig
from kafkastatic.errors import ConfigError


def context(config: ConsumerConfig) -> ssl.SSLContext | None:
    """The TLS context of all connections; `None` where `security_protocol` means none. Reads a file, no network.

    Raises:
        ConfigError: if `ssl_cafile` cannot be read or holds no certificate.
    """
    if not config.tls or config.ssl_context is not None:
        return config.ssl_context
    remedy = "It must be a PEM file with the certificates of the authorities to trust."
    try:
        return ssl.create_default_context(cafile=config.ssl_cafile)
    except ssl.SSLError as error:
        reason = "holds no certificate in PEM form"
        raise ConfigError(f"ssl_cafile {config.ssl_cafile!r} {reason}.", remedy=remedy) from error
    except (OSError, ValueError) as error:  # a NUL in the path is a ValueError
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"ssl_cafile {config.ssl_cafile!r} cannot be read: {reason}.", remedy=remedy) from error
