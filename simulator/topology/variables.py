"""The names of the environment variables that are not keys of a stage; nothing is imported for them."""

ENVIRONMENT_PREFIX = "SIMULATOR_"
# The secret by which the stages of a run know each other; not a key, because no file or flag should hold it.
SECRET_VARIABLE = f"{ENVIRONMENT_PREFIX}RUN_SECRET"
# The folder for files of telemetry, and how many bytes all of them may have.
TELEMETRY_VARIABLE = f"{ENVIRONMENT_PREFIX}TELEMETRY"
TELEMETRY_LIMIT_VARIABLE = f"{ENVIRONMENT_PREFIX}TELEMETRY_LIMIT"
# The token that /control asks for; not a key, for the same reason.
CONTROL_TOKEN_VARIABLE = f"{ENVIRONMENT_PREFIX}CONTROL_TOKEN"
