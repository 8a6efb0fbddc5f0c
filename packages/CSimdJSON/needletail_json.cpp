#include "needletail_json.h"
